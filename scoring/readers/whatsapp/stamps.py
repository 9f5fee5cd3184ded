"""The stamps of WhatsApp's messages, as each country writes date and clock time."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import time
from functools import lru_cache

from scoring.readers.cleaning import MARK
from scoring.readers.written_dates import WrittenDate, written_date

_SIGN = r"\. ?|/|-"
_DATE = (
    rf"(?P<one>\d{{1,4}})(?P<sign>{_SIGN}|[년年] ?)(?P<two>\d{{1,2}})"
    rf"(?:{_SIGN}|[월月] ?)(?P<three>\d{{1,4}})(?:\.|[일日])?"
)
_BEFORE = r"(?:오전|오후|午前|午後|上午|下午|凌晨|早上|中午|晚上|[AP]M)"
_AFTER = r"[AaPp]\.? ?[Mm]\b\.?"
_CLOCK = (
    rf"(?:(?P<before>{_BEFORE}) ?)?(?P<hour>\d{{1,2}})[:.](?P<minute>\d{{2}})(?:[:.](?P<second>\d{{2}}))?"
    rf"(?: ?(?P<after>{_AFTER}))?"
)
_BETWEEN = r"(?P<between>,? ?(?:(?:klo|kl\.?|à|às|at|um|a las|om|alle) )?)"
_ANDROID = re.compile(rf"{MARK}?{_DATE}{_BETWEEN}{_CLOCK} [-–] {MARK}?(?P<rest>\S.*)$", re.DOTALL)
_IOS = re.compile(rf"{MARK}?\[{_DATE}{_BETWEEN}{_CLOCK}\] {MARK}?(?P<rest>\S.*)$", re.DOTALL)
_LATE = ("오후", "午後", "下午", "中午", "晚上", "PM")


@dataclass(frozen=True, slots=True)
class Stamp:
    """A stamp: its date as written, its clock time (None where there is none such), and the style it is written in."""

    date: WrittenDate
    clock: time | None
    style: tuple[str, ...]


def split_stamp(line: str) -> tuple[Stamp, str] | None:
    """Return a line's stamp and what stands behind it, or None where the line begins with no stamp of WhatsApp.

    Telegram writes ``[05.01.2026 15:12] Name:`` when messages are copied: in brackets a stamp has seconds, a comma or
    a word for the half of the day.
    """
    if not line[:4].lstrip(f"[{MARK}")[:1].isdigit():
        return None
    match = _ANDROID.match(line)
    if match is None:
        match = _IOS.match(line)
        if match is None or not (match["second"] or "," in match["between"] or match["before"] or match["after"]):
            return None
    rest = match["rest"]
    return _stamp(line[: match.start("rest")].strip(f"{MARK} ")), rest


def year_first(date: WrittenDate) -> WrittenDate:
    """Return a date of a language that writes the year first, where its numbers allow that."""
    return WrittenDate(date.numbers, ("ymd",), date.weekday) if "ymd" in date.orders else date


@lru_cache(maxsize=4096)
def _stamp(text: str) -> Stamp:
    match = _IOS.match(f"{text} x") or _ANDROID.match(f"{text} x")
    assert match is not None
    sign = match["sign"]
    date = written_date(match["one"], match["two"], match["three"], sign)
    if match["before"]:
        # The half of the day stands before the clock only where the year comes first.
        date = year_first(date)
    elif match["after"] or "," in match["between"]:
        # A short year comes first in East Asia alone, where neither is written.
        date = WrittenDate(date.numbers, tuple(order for order in date.orders if order != "ymd") or date.orders)
    half = "before" if match["before"] else "after" if match["after"] else ""
    return Stamp(date, _clock(match), ("ios" if text.startswith("[") else "android", sign.strip(), half))


def _clock(match: re.Match[str]) -> time | None:
    hour, before, after = int(match["hour"]), match["before"] or "", match["after"] or ""
    if (before or after) and hour <= 12:
        late = before in _LATE or after[:1] in ("p", "P")
        hour = hour % 12 + (12 if late else 0)
    try:
        return time(hour, int(match["minute"]), int(match["second"] or 0))
    except ValueError:
        return None
