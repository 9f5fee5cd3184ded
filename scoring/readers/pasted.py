"""Lines that somebody pasted into a message: they look like messages, but their clock runs backwards."""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter
from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

_MANY_SHARE, _MANY = 0.1, 5
"""More lines out of order than this share and this number: the export itself is not in order of time."""
_HOUR = 60.0
"""Minutes that a clock may be set back (in autumn) while people go on writing."""
_STRANGER = 0.6
"""What a line counts in a run where its speaker speaks on that day only."""


@dataclass
class Candidate:
    """A line that looks like a message: where it stands, whose it is, and its time in minutes."""

    number: int
    minute: float
    name: str
    clock_only: bool


def are_many(some: int, all_of_them: int) -> bool:
    """Tell whether lines are so many that they were hardly pasted, but are the export's own."""
    return some > max(_MANY, _MANY_SHARE * all_of_them)


def out_of_order(sections: Mapping[int, Sequence[Candidate]]) -> set[int]:
    """Return the lines that were pasted: those of strangers whose clock runs back, and of anybody by over an hour."""
    lines = Counter(candidate.name for section in sections.values() for candidate in section)
    days = Counter(name for section in sections.values() for name in {candidate.name for candidate in section})
    strays: list[tuple[Candidate, float]] = []
    for section in sections.values():
        strays += _strays(section, {name for name, count in days.items() if count > 1 or len(sections) == 1})
    if are_many(len(strays), lines.total()):
        return set()
    stray_lines = Counter(stray.name for stray, _ in strays)
    return {stray.number for stray, gap in strays if gap > _HOUR or stray_lines[stray.name] == lines[stray.name]}


def _strays(section: Sequence[Candidate], known: Container[str]) -> list[tuple[Candidate, float]]:
    """Return the lines that are out of the order of time, with the minutes by which they are.

    Where stamps have dates, what was pasted is from the past. Clock times alone also jump ahead, to the evening before.
    """
    if all(one.minute <= other.minute for one, other in pairwise(section)):
        return []
    kept = set(_rising_run(section, known)) if section[0].clock_only else set()
    strays, last = [], section[0].minute
    for at, candidate in enumerate(section):
        if at in kept or (not section[0].clock_only and candidate.minute >= last):
            last = candidate.minute
        else:
            strays.append((candidate, abs(candidate.minute - last)))
    return strays


def _rising_run(section: Sequence[Candidate], known: Container[str]) -> list[int]:
    """Return the positions of the longest run of lines whose minutes never fall, from the first line on.

    A line of somebody who speaks on one day only counts less. Of equal runs it is the one that ends first. (A patience
    sort: ``ends`` are the last minutes of runs, ``best`` their length and position, both in rising order.)
    """
    ends: list[float] = []
    best: list[tuple[float, int]] = []
    before: list[int] = []
    for at, candidate in enumerate(section):
        place = bisect_right(ends, candidate.minute)
        if at and not place:
            before.append(-1)
            continue
        length, previous = best[place - 1] if place else (0.0, -1)
        before.append(previous)
        length += 1.0 if candidate.name in known else _STRANGER
        shorter = place
        while shorter < len(ends) and best[shorter][0] < length:
            shorter += 1
        if place and ends[place - 1] == candidate.minute:
            place -= 1
        ends[place:shorter], best[place:shorter] = [candidate.minute], [(length, at)]
    at = next(end for length, end in best if length == best[-1][0])
    run = []
    while at >= 0:
        run.append(at)
        at = before[at]
    return run
