"""Dates and clock times as chat programs write them; naive, exactly as written."""

from __future__ import annotations

import re
from datetime import date, datetime, time
from functools import lru_cache

_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
MONTH = r"(?:Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec)[a-z]{0,6}\.?"
_YEAR_FIRST = re.compile(r"(?<!\d)(\d{4})(?:[년年] ?|[-./] ?)(\d{1,2})(?:[월月] ?|[-./] ?)(\d{1,2})(?!\d)")
_MONTH_FIRST = re.compile(rf"\b({MONTH}) (\d{{1,2}}),? (\d{{4}})\b", re.IGNORECASE)
_DAY_FIRST = re.compile(rf"\b(\d{{1,2}}) ({MONTH}),? (\d{{4}})\b", re.IGNORECASE)
_CLOCK = re.compile(
    r"(?:(?P<before>오전|오후|午前|午後|[AP]\.?M\.?) ?)?"
    r"(?<![\d:])(?P<hour>\d{1,2}):(?P<minute>\d{2})(?::(?P<second>\d{2}))?"
    r"(?:[.,](?P<fraction>\d{1,9}))?(?![\d:])(?: ?(?P<after>[AP]\.?M\b))?",
    re.IGNORECASE,
)


@lru_cache(maxsize=4096)
def read_date(text: str) -> date | None:
    """Return the first date in a text, or None where there is none or it does not exist (30 February)."""
    if match := _YEAR_FIRST.search(text):
        year, month, day = int(match[1]), int(match[2]), int(match[3])
    elif match := _MONTH_FIRST.search(text):
        year, month, day = int(match[3]), _month(match[1]), int(match[2])
    elif match := _DAY_FIRST.search(text):
        year, month, day = int(match[3]), _month(match[2]), int(match[1])
    else:
        return None
    try:
        return date(year, month, day)
    except ValueError:
        return None


@lru_cache(maxsize=4096)
def read_clock(text: str) -> time | None:
    """Return the first clock time in a text, or None; 오전 12, 午前 12 and 12 AM are 0 h, 오후 12 and 12 PM 12 h."""
    match = _CLOCK.search(text)
    if match is None:
        return None
    hour = int(match["hour"])
    half = (match["before"] or match["after"] or "").lower()
    if half and hour <= 12:
        hour = hour % 12 + (12 if half.startswith(("오후", "午後", "p")) else 0)
    microsecond = int((match["fraction"] or "0").ljust(6, "0")[:6])
    try:
        return time(hour, int(match["minute"]), int(match["second"] or 0), microsecond)
    except ValueError:
        return None


@lru_cache(maxsize=4096)
def read_time(text: str) -> datetime | None:
    """Return the date and clock time in a text (midnight for a date alone), or None; time zones are dropped."""
    day = read_date(text)
    if day is None:
        return None
    clock = read_clock(text)
    if clock is None and ":" in text:
        return None
    return datetime.combine(day, clock or time())


def _month(name: str) -> int:
    return _MONTHS.index(name[:3].lower()) + 1
