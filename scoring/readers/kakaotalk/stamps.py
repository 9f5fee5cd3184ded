"""The stamps of KakaoTalk's messages: a clock time, with or without a date, in Korean, English and Japanese."""

from __future__ import annotations

import re
from datetime import date, time
from functools import lru_cache

from scoring.readers.times import MONTH, read_clock, read_date

_AM = r"(?: ?[AaPp]\.?[Mm]\b\.?)"
CLOCK = rf"(?:(?:오전|오후|午前|午後) ?\d{{1,2}}:\d{{2}}|\d{{1,2}}:\d{{2}}{_AM}?|[AP]M \d{{1,2}}:\d{{2}})"
_KOREAN_DAY = r"\d{4}년 ?\d{1,2}월 ?\d{1,2}일"
_JAPANESE_DAY = r"\d{4}年 ?\d{1,2}月 ?\d{1,2}日"
_NUMERIC_DAY = r"\d{4}(?:\. ?|/|-)\d{1,2}(?:\. ?|/|-)\d{1,2}\.?"
_ENGLISH_DAY = rf"(?:{MONTH} \d{{1,2}}, \d{{4}}|\d{{1,2}} {MONTH} \d{{4}})"
_KOREAN_WEEKDAY = r"[월화수목금토일](?:요일)?"
_JAPANESE_WEEKDAY = r"[月火水木金土日](?:曜日?)?"

ENGLISH = rf"{_ENGLISH_DAY}(?: at|,)? {CLOCK}"
KOREAN = rf"{_KOREAN_DAY}(?: {_KOREAN_WEEKDAY})? {CLOCK}"
JAPANESE = rf"{_JAPANESE_DAY}(?: ?\(?{_JAPANESE_WEEKDAY}\)?)? ?{CLOCK}"
NUMERIC = rf"{_NUMERIC_DAY},? {CLOCK}"
DATED = rf"(?:{KOREAN}|{JAPANESE}|{NUMERIC}|{ENGLISH})"
"""A stamp with a date, in any language."""

_WEEKDAY = "(?:Mon|Tues|Wednes|Thurs|Fri|Satur|Sun)day"
_DATE_ALONE = (
    rf"{_KOREAN_DAY}(?: {_KOREAN_WEEKDAY})?|{_JAPANESE_DAY}(?: ?\(?{_JAPANESE_WEEKDAY}\)?)?"
    rf"|{_NUMERIC_DAY} ?\(?(?:{_KOREAN_WEEKDAY}|{_JAPANESE_WEEKDAY})\)?"
    rf"|{_WEEKDAY}, (?:{MONTH} \d{{1,2}}|\d{{1,2}} {MONTH}),? \d{{4}}"
)
DATE_LINE = re.compile(rf"(?:{_DATE_ALONE})|-{{3,}} ?(?:{_DATE_ALONE}|{_NUMERIC_DAY}) ?-{{3,}}")
"""A line that holds a date alone, with or without a rule of hyphens around it."""
RULE = re.compile(r"-{10,}")
"""A line of hyphens alone, as some versions write above and below a date."""


def is_clock(stamp: str) -> bool:
    """Tell whether a stamp is a clock time alone."""
    return re.search(r"\d{4}", stamp) is None


@lru_cache(maxsize=4096)
def read_stamp(stamp: str) -> tuple[date | None, time] | None:
    """Return a stamp's date (None where it has none) and clock time, or None where one of them does not exist."""
    day, clock = read_date(stamp), read_clock(stamp)
    if clock is None or (day is None and not is_clock(stamp)):
        return None
    return day, clock
