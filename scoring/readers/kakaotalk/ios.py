"""KakaoTalk for iOS: ``2024. 3. 1. 오후 3:12, 이름 : 말``, or the clock time alone under a line with the date."""

from __future__ import annotations

from scoring.readers.kakaotalk.parser import kakaotalk_layout, stamped_syntax
from scoring.readers.kakaotalk.stamps import CLOCK, ENGLISH, NUMERIC

_STAMP = rf"(?:{NUMERIC}|{ENGLISH}|{CLOCK})"

IOS = kakaotalk_layout("kakaotalk-ios", stamped_syntax(stamp=_STAMP, own=_STAMP))
