"""KakaoTalk for Android: ``2024년 3월 1일 오후 3:12, 이름 : 말`` or ``March 1, 2024 at 3:12 PM, Name : text``."""

from __future__ import annotations

from scoring.readers.kakaotalk.parser import kakaotalk_layout, stamped_syntax
from scoring.readers.kakaotalk.stamps import ENGLISH, JAPANESE, KOREAN

# In English, Android writes the month out and iOS shortens it; both are read by either.
_LONG_MONTH = "(?=(?:\\d+ )?(?:January|February|March|April|May|June|July|August|September|October|November|December) )"

ANDROID = kakaotalk_layout(
    "kakaotalk-android",
    stamped_syntax(stamp=rf"(?:{KOREAN}|{JAPANESE}|{ENGLISH})", own=rf"(?:{KOREAN}|{JAPANESE}|{_LONG_MONTH}{ENGLISH})"),
)
