"""What a whole export tells before it is read: which lines were pasted into a message, and names with `` : `` in them.

A person may paste lines of another chat into a message. They look like messages, but their clock runs backwards, for an
export is in order of time; or they are written in another style than the export's own.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections import Counter, defaultdict
from collections.abc import Container, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from itertools import pairwise

from scoring.readers.kakaotalk.notices import is_heading, is_saved_date
from scoring.readers.kakaotalk.stamps import DATE_LINE, is_clock, read_stamp

PARTED = " : "
_TITLE_WORDS = re.compile(r" ?(?:님과(?:의)? ?)?카카오톡 대화$| with KakaoTalk Chats$|^KakaoTalk Chats with ")
_MANY_SHARE, _MANY = 0.1, 5
"""More lines out of order than this share and this number: the export itself is not in order of time."""
_HOUR = 60.0
"""Minutes that a clock may be set back (in autumn) while people go on writing."""
_LEAST_MESSAGES = 3
"""Messages in which a name has to come with the same second part before the part counts as the name's."""
_LONGEST_NAME = 40
_STRANGER = 0.6
"""What a line counts in a run where its speaker speaks on that day only."""


@dataclass(frozen=True)
class Survey:
    """The numbers of pasted lines, and the names that have `` : `` in them."""

    pasted: frozenset[int] = frozenset()
    parted_names: tuple[str, ...] = ()


@dataclass
class _Candidate:
    """A line that looks like a message: where it stands, whose it is, and its time in minutes."""

    number: int
    minute: float
    name: str
    clock_only: bool


@dataclass
class _Lines:
    sections: dict[int, list[_Candidate]] = field(default_factory=lambda: defaultdict(list))
    other_style: set[int] = field(default_factory=set)
    texts: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))
    titles: set[str] = field(default_factory=set)


def survey(lines: Sequence[str], message: re.Pattern[str]) -> Survey:
    """Return what an export's lines tell together; ``message`` matches a message, as in ``Syntax``."""
    found = _read(lines, message)
    pasted = found.other_style | _out_of_order(found.sections)
    return Survey(frozenset(pasted), _parted_names(found.texts, found.titles))


def shown_title(line: str) -> str | None:
    """Return the room's name in an export's title, or None where a heading is the date of saving."""
    return None if is_saved_date(line) else _TITLE_WORDS.sub("", line)


def _read(lines: Iterable[str], message: re.Pattern[str]) -> _Lines:
    found = _Lines()
    section, clock_only = 0, None
    for number, line in enumerate(lines, start=1):
        match = message.match(line)
        stamp = read_stamp(match["stamp"]) if match and match["name"].strip() else None
        if match is None or stamp is None:
            stripped = line.strip()
            if DATE_LINE.fullmatch(stripped) and not is_clock(stripped):
                section += 1
            elif is_heading(stripped) and (title := shown_title(stripped)):
                found.titles.add(title)
            continue
        day, clock = stamp
        if clock_only is None:
            clock_only = day is None
        if clock_only != (day is None):
            found.other_style.add(number)
            continue
        moment = datetime.combine(day or date(2000, 1, 1), clock)
        minute = (moment - datetime(2000, 1, 1)).total_seconds() / 60
        name = match["name"].strip()
        found.sections[section if clock_only else 0].append(_Candidate(number, minute, name, clock_only))
        found.texts[name].append(match["text"] or "")
    return found


def _out_of_order(sections: Mapping[int, Sequence[_Candidate]]) -> set[int]:
    """Return the lines that were pasted: those of strangers whose clock runs back, and of anybody by over an hour."""
    lines = Counter(candidate.name for section in sections.values() for candidate in section)
    days = Counter(name for section in sections.values() for name in {candidate.name for candidate in section})
    strays: list[tuple[_Candidate, float]] = []
    for section in sections.values():
        strays += _strays(section, {name for name, count in days.items() if count > 1 or len(sections) == 1})
    if len(strays) > max(_MANY, _MANY_SHARE * lines.total()):
        return set()
    stray_lines = Counter(stray.name for stray, _ in strays)
    return {stray.number for stray, gap in strays if gap > _HOUR or stray_lines[stray.name] == lines[stray.name]}


def _strays(section: Sequence[_Candidate], known: Container[str]) -> list[tuple[_Candidate, float]]:
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


def _rising_run(section: Sequence[_Candidate], known: Container[str]) -> list[int]:
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


def _parted_names(texts: dict[str, list[str]], titles: set[str]) -> tuple[str, ...]:
    """Return names such as ``팀 : 서울``: those whose second part stands behind the first in every message.

    A room's name in the title counts only where its messages agree, for a group's name is no speaker's.
    """
    names = []
    for name, said in texts.items():
        rests = {text.split(PARTED, 1)[0] if PARTED in text else "" for text in said}
        (rest, *others) = rests
        whole = f"{name}{PARTED}{rest}"
        known = whole in titles or len(said) >= _LEAST_MESSAGES
        if rest and not others and len(rest) <= _LONGEST_NAME and known:
            names.append(whole)
    return tuple(names)
