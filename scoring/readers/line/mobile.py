"""LINE: ``15:12<TAB>Name<TAB>text`` under a line with the date, behind ``[LINE] …`` and the date of saving.

A message of several lines stands in quotes; a line with no name is LINE's own.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import date, datetime

from scoring.readers.chat import BEFORE_FIRST, ChatParser
from scoring.readers.line.dates import CLOCK, clock_of, is_date, written
from scoring.readers.line.words import is_saved, is_title, media_of
from scoring.readers.messages import Message, Source
from scoring.readers.pasted import Candidate, out_of_order
from scoring.readers.times import read_date
from scoring.readers.written_dates import OrderEvidence, told_order

MESSAGE = re.compile(rf"(?P<clock>{CLOCK})\t(?P<name>[^\t]{{1,200}})\t(?P<text>.*)$")
_NOTICE = re.compile(rf"(?P<clock>{CLOCK})\t+(?P<text>.*)$")
_CSV_QUOTED = re.compile(r'"(?:[^"]|"")*"')
_EARLIEST = 2011


class LineParser(ChatParser):
    """Reads one export; a line with a date holds for the clock times under it."""

    def __init__(self, source: Source) -> None:
        super().__init__()
        lines = [line.strip() for line in source.lines]
        dates = [found for line in lines if (found := written(line))]
        order = told_order(dates, source.date_order, source.name, _EARLIEST)
        self._evidence = OrderEvidence(_EARLIEST, order)
        self._pasted = pasted_lines(lines, MESSAGE)
        self._day: date | None = None

    def begin(self, number: int, line: str) -> Message | bool:
        """Return the message that begins here, True for a date or a notice, False for a line that goes on."""
        if match := MESSAGE.match(line):
            if self.speaking and number in self._pasted:
                return False
            return self._message(number, line, match)
        stripped = line.strip()
        if is_date(stripped):
            return self._date(number, stripped)
        if _NOTICE.match(line):
            return self.notice(None)
        if (not self.speakers and is_title(stripped)) or is_saved(stripped):
            return self.notice(BEFORE_FIRST)
        return False

    def completed(self, message: Message) -> None:
        """Take the quotes off a message of several lines, and tell what was left out."""
        message.text = unquoted(message.text)
        if media := media_of(message.text):
            message.text, message.media = "", media

    def _message(self, number: int, line: str, match: re.Match[str]) -> Message | bool:
        clock = clock_of(match["clock"])
        if clock is None:
            return self.refuse(number, "its time does not exist", line)
        name = " ".join(match["name"].split())
        if not name:
            return self.notice(None)
        return Message(number, name, match["text"].rstrip(), datetime.combine(self._day, clock) if self._day else None)

    def _date(self, number: int, line: str) -> bool:
        ambiguous = written(line)
        if ambiguous is None:
            self._day = read_date(line)
        else:
            order = self._evidence.order_of(ambiguous)
            self._day = ambiguous.read(order) if order else None
            if order is None:
                return self.notice()
        return self.notice() if self._day else self.refuse(number, "its date does not exist", line)


def pasted_lines(lines: Sequence[str], message: re.Pattern[str]) -> frozenset[int]:
    """Return the lines that were pasted into a message: their clock runs back, or ahead to the evening before."""
    sections: dict[int, list[Candidate]] = {}
    section = 0
    for number, line in enumerate(lines, start=1):
        if is_date(line):
            section += 1
        elif match := message.match(line):
            clock = clock_of(match["clock"])
            if clock is not None:
                minute = clock.hour * 60.0 + clock.minute
                sections.setdefault(section, []).append(
                    Candidate(number, minute, match["name"].strip(), clock_only=True)
                )
    return frozenset(out_of_order(sections))


def unquoted(text: str) -> str:
    """Return a message of several lines without the quotes around it, and with single ones in it.

    Quotes with nothing between them are what somebody wrote.
    """
    if len(text) < 2 or not (text.startswith('"') and text.endswith('"')):
        return text
    inner = text
    if _CSV_QUOTED.fullmatch(text) and ("\n" in text or '""' in text[1:-1]):
        inner = text[1:-1].replace('""', '"')
    elif "\n" in text:
        inner = text[1:-1]
    return inner.strip() or text
