"""What a whole export tells before it is read: which lines were pasted into a message, and names with `` : `` in them.

A person may paste lines of another chat into a message. They look like messages, but their clock runs backwards, for an
export is in order of time; or they are written in another style than the export's own.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime

from scoring.readers.kakaotalk.notices import is_heading, is_saved_date
from scoring.readers.kakaotalk.stamps import DATE_LINE, is_clock, read_stamp
from scoring.readers.pasted import Candidate, out_of_order

PARTED = " : "
_TITLE_WORDS = re.compile(r" ?(?:님과(?:의)? ?)?카카오톡 대화$| with KakaoTalk Chats$|^KakaoTalk Chats with ")
_LEAST_MESSAGES = 3
"""Messages in which a name has to come with the same second part before the part counts as the name's."""
_LONGEST_NAME = 40


@dataclass(frozen=True)
class Survey:
    """The numbers of pasted lines, and the names that have `` : `` in them."""

    pasted: frozenset[int] = frozenset()
    parted_names: tuple[str, ...] = ()


@dataclass
class _Lines:
    sections: dict[int, list[Candidate]] = field(default_factory=lambda: defaultdict(list))
    other_style: set[int] = field(default_factory=set)
    texts: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))
    titles: set[str] = field(default_factory=set)


def survey(lines: Sequence[str], message: re.Pattern[str]) -> Survey:
    """Return what an export's lines tell together; ``message`` matches a message, as in ``Syntax``."""
    found = _read(lines, message)
    pasted = found.other_style | out_of_order(found.sections)
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
        found.sections[section if clock_only else 0].append(Candidate(number, minute, name, clock_only))
        found.texts[name].append(match["text"] or "")
    return found


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
