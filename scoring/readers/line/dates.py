"""LINE's lines with a date, and its clock times, in the forms of the phone's language."""

from __future__ import annotations

import re
from datetime import time
from functools import lru_cache

from scoring.readers.times import read_clock
from scoring.readers.written_dates import WrittenDate

_DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_EAST_ASIAN_DAY = "(?:[월화수목금토일](?:요일)?|[月火水木金土日](?:曜日?)?|(?:周|週|星期)[一二三四五六日])"
_ENGLISH_DAY = r"(?:Mon|Tues?|Wed(?:nes)?|Thu(?:rs)?|Fri|Sat(?:ur)?|Sun)(?:day)?\.?"
_DAY = rf"(?:{_EAST_ASIAN_DAY}|{_ENGLISH_DAY})"
YEAR_FIRST = re.compile(
    rf"\d{{4}}(?:[./-] ?|[년年] ?)\d{{1,2}}(?:[./-] ?|[월月] ?)\d{{1,2}}[.일日]?(?: ?[(（]{_DAY}[)）]| ?{_DAY})"
)
"""2024/01/15(Mon), 2024.01.15 월요일, 2024年1月15日(月): a line with the date alone."""
_YEAR_LAST = re.compile(rf"(?P<day>{_ENGLISH_DAY}), (?P<one>\d{{1,2}})/(?P<two>\d{{1,2}})/(?P<year>\d{{4}})")
CLOCK = r"(?:(?:오전|오후|午前|午後|上午|下午) ?\d{1,2}:\d{2}|\d{1,2}:\d{2}(?: ?[AaPp]\.?[Mm]\.?)?)"


def is_date(line: str) -> bool:
    """Tell whether a line holds a date alone."""
    return YEAR_FIRST.fullmatch(line) is not None or _YEAR_LAST.fullmatch(line) is not None


@lru_cache(maxsize=4096)
def written(line: str) -> WrittenDate | None:
    """Return the date of a line where it ends in the year (Sat, 11/01/2025), so that day and month are to be told."""
    match = _YEAR_LAST.fullmatch(line)
    if match is None:
        return None
    numbers = (int(match["one"]), int(match["two"]), int(match["year"]))
    return WrittenDate(numbers, ("dmy", "mdy"), _DAYS.index(match["day"][:3].lower()))


@lru_cache(maxsize=4096)
def clock_of(text: str) -> time | None:
    """Return a clock time, or None where it does not exist."""
    return read_clock(text.replace("上午", "午前").replace("下午", "午後"))
