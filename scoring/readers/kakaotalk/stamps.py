"""The stamps of KakaoTalk's messages: a date with a clock time, or a clock time alone, in Korean and in English."""

from __future__ import annotations

import re
from datetime import date, time
from functools import lru_cache

from scoring.readers.times import MONTH, read_clock, read_date

_HALF = "(?:오전|오후)"
_AM = r"(?: ?[AaPp]\.?[Mm]\b\.?)"
CLOCK = rf"(?:{_HALF} ?\d{{1,2}}:\d{{2}}|\d{{1,2}}:\d{{2}}{_AM}?|[AP]M \d{{1,2}}:\d{{2}})"
ENGLISH = rf"(?:{MONTH} \d{{1,2}}, \d{{4}}|\d{{1,2}} {MONTH} \d{{4}})(?: at|,)? {CLOCK}"
KOREAN = rf"\d{{4}}년 ?\d{{1,2}}월 ?\d{{1,2}}일 {CLOCK}"
DOTTED = rf"\d{{4}}\. ?\d{{1,2}}\. ?\d{{1,2}}\.? {CLOCK}"
_WEEKDAY = "(?:Mon|Tues|Wednes|Thurs|Fri|Satur|Sun)day"
DATE_LINE = re.compile(
    rf"(?P<rule>-{{3,}} ?)?(?:\d{{4}}년 ?\d{{1,2}}월 ?\d{{1,2}}일(?: [월화수목금토일]요일)?"
    rf"|\d{{4}}\. ?\d{{1,2}}\. ?\d{{1,2}}\. [월화수목금토일]요일"
    rf"|{_WEEKDAY}, (?:{MONTH} \d{{1,2}}|\d{{1,2}} {MONTH}),? \d{{4}})(?(rule) ?-{{3,}})"
)
"""A line that holds a date alone, with or without a rule of hyphens around it."""


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
