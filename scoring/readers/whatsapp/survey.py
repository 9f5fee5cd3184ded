"""What a whole export of WhatsApp tells before it is read: the order of its dates, and which lines were pasted."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from scoring.readers.messages import Source
from scoring.readers.pasted import are_many
from scoring.readers.whatsapp.stamps import Stamp, split_stamp, year_first
from scoring.readers.whatsapp.words import is_east_asian
from scoring.readers.written_dates import told_order

EARLIEST = 2009
"""The year in which WhatsApp began."""


@dataclass(frozen=True)
class Survey:
    """The order of an export's dates, and the numbers of pasted lines."""

    order: str | None
    pasted: frozenset[int]


@dataclass(frozen=True, slots=True)
class _Stamped:
    number: int
    stamp: Stamp
    rest: str
    name: str
    text: str


def survey(source: Source) -> Survey:
    """Return what an export's lines tell together; raises DataError where they leave the order of dates open."""
    stamped = list(_stamped(source.lines))
    if not stamped:
        return Survey(source.date_order, frozenset())
    ((style, _),) = Counter(one.stamp.style for one in stamped).most_common(1)
    foreign = {one.number for one in stamped if one.stamp.style != style}
    if are_many(len(foreign), len(stamped)):
        foreign = set()
    own = [one for one in stamped if one.number not in foreign]
    dates = [one.stamp.date for one in own]
    if all(date.read("ymd", EARLIEST) for date in set(dates)) and any(map(_is_east_asian, own)):
        dates = list(map(year_first, dates))
    order = told_order(dates, source.date_order, source.name, EARLIEST)
    return Survey(order, frozenset(foreign | _from_the_past(own, order)))


def _is_east_asian(line: _Stamped) -> bool:
    return is_east_asian(line.text if line.name else line.rest)


def split_name(rest: str) -> tuple[str, str] | None:
    """Return the name and the text behind a stamp, or None where nobody speaks."""
    name, colon, text = rest.partition(": ")
    if not colon:
        if not rest.endswith(":"):
            return None
        name, text = rest[:-1], ""
    return name.removeprefix("~").strip(), text


def _stamped(lines: Sequence[str]) -> Iterable[_Stamped]:
    for number, line in enumerate(lines, start=1):
        found = split_stamp(line)
        if found is not None:
            said = split_name(found[1])
            yield _Stamped(number, *found, *(said or ("", "")))


def _from_the_past(stamped: Sequence[_Stamped], order: str | None) -> set[int]:
    """Return lines out of the order of time that were pasted: a stranger's, and those that stand there before.

    Messages that were sent without network run back too, so that the time alone tells nothing of a known speaker.
    """
    seen: set[tuple[object, ...]] = set()
    lines: Counter[str] = Counter()
    strays: list[tuple[_Stamped, bool]] = []
    last = datetime.min
    for one in stamped:
        day = one.stamp.date.read(order) if order else None
        if day is None or one.stamp.clock is None or not one.name:
            continue
        lines[one.name] += 1
        moment = datetime.combine(day, one.stamp.clock)
        what = (moment, one.name, one.text)
        if moment < last:
            strays.append((one, what in seen))
        last = max(last, moment)
        seen.add(what)
    if are_many(len(strays), len(stamped)):
        return set()
    stray_lines = Counter(one.name for one, _ in strays)
    return {one.number for one, again in strays if again or stray_lines[one.name] == lines[one.name]}
