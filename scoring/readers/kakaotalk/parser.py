"""The parser of KakaoTalk's text exports; ``android``, ``ios`` and ``windows`` say how each program writes."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, time

from scoring.readers.chat import BEFORE_FIRST, ChatParser
from scoring.readers.kakaotalk.notices import is_bare_notice, is_heading, is_saved_date, is_stamped_notice
from scoring.readers.kakaotalk.stamps import DATE_LINE, RULE, is_clock, read_stamp
from scoring.readers.kakaotalk.survey import PARTED, Survey, shown_title, survey
from scoring.readers.messages import Layout, Message, fault
from scoring.readers.times import read_date


@dataclass(frozen=True)
class Syntax:
    """How one of KakaoTalk's programs writes.

    ``message`` has the groups stamp, name and text; ``notice`` has stamp and text, for lines that nobody says;
    ``moment`` is a stamp that stands alone. ``own`` recognises a message that no other program would write so.
    """

    message: re.Pattern[str]
    own: re.Pattern[str]
    notice: re.Pattern[str] | None = None
    moment: re.Pattern[str] | None = None


def stamped_syntax(stamp: str, own: str) -> Syntax:
    """Return the syntax of ``stamp, name : text`` for a pattern of stamps; ``own``: those of this program alone."""
    return Syntax(
        message=re.compile(rf"(?P<stamp>{stamp}), (?P<name>.*?) :(?: (?P<text>.*))?$"),
        own=re.compile(rf"{own}, .* :(?: |$)"),
        notice=re.compile(rf"(?P<stamp>{stamp})(?:,|:) ?(?P<text>.*)"),
        moment=re.compile(stamp),
    )


def kakaotalk_layout(name: str, syntax: Syntax) -> Layout:
    """Return the layout of one program's exports."""
    return Layout(
        name,
        recognise=lambda line, first: syntax.own.match(line) is not None,
        parser=lambda source: KakaoTalkParser(syntax, survey(source.lines, syntax.message) if source.lines else None),
        has_placeholders=True,
    )


class KakaoTalkParser(ChatParser):
    """Reads one export in one program's syntax; a date line's date holds for messages with a clock time alone."""

    def __init__(self, syntax: Syntax, found: Survey | None = None) -> None:
        super().__init__()
        self._syntax = syntax
        self._survey = found
        self._clock_only: bool | None = None
        self._last: datetime | None = None
        self._day: date | None = None
        self._title: tuple[int, str] | None = None
        # Names with " : " in them, known from the survey or the title: no line alone tells where such a name ends.
        self._parted_names: tuple[str, ...] = found.parted_names if found else ()

    def begin(self, number: int, line: str) -> Message | bool:
        """Return the message that begins here, True for what is no message, False for a line that goes on."""
        if match := self._syntax.message.match(line):
            if self.speaking and self._is_pasted(number, match):
                return False
            self._drop_title()
            return self._message(number, line, match)
        line = line.strip()
        if self._syntax.notice and (match := self._syntax.notice.fullmatch(line)):
            return self._stamped_notice(number, line, match)
        if DATE_LINE.fullmatch(line) or (self._syntax.moment and self._syntax.moment.fullmatch(line)):
            return self._date_line(number, line)
        if is_heading(line):
            return self._heading(line)
        if is_bare_notice(line, None if not self.speaking else self.speakers):
            return self.notice()
        if not self.speaking and self.speakers and is_stamped_notice(line):
            return self.notice()
        return self._maybe_title(number, line)

    def finish(self) -> Sequence[Message]:
        """Return the open message."""
        self._drop_title()
        return super().finish()

    def _message(self, number: int, line: str, match: re.Match[str]) -> Message | bool:
        name, text = match["name"].strip(), match["text"] or ""
        name, text = self._whole_name(name, text)
        if not name or (("님이 " in name or "님을 " in name) and is_stamped_notice(f"{name} : {text}")):
            return self.notice(None)
        moment = read_stamp(match["stamp"])
        if moment is None:
            return self.refuse(number, "its date or time does not exist", line)
        day, clock = moment
        if self._clock_only is None:
            self._clock_only = day is None
        self._last = _comparable(day, clock)
        day = day or self._day
        return Message(number, name, text.rstrip(), datetime.combine(day, clock) if day else None)

    def _whole_name(self, name: str, text: str) -> tuple[str, str]:
        """Return a message's name and text, where the name's second part was taken for the text's beginning."""
        said = f"{name}{PARTED}{text}"
        for parted in self._parted_names:
            if said.startswith(parted + PARTED):
                return parted, said[len(parted) + len(PARTED) :]
            if parted.startswith(name + PARTED):
                # The first part speaks alone: what the title names is a group.
                self._parted_names = tuple(other for other in self._parted_names if other != parted)
        return name, text

    def _is_pasted(self, number: int, match: re.Match[str]) -> bool:
        """Tell whether a line that looks like a message was pasted into the open one.

        Without a survey only what came before tells it: another style of stamps, or a stranger's earlier time.
        """
        if self._survey is not None:
            return number in self._survey.pasted
        moment = read_stamp(match["stamp"])
        if moment is None or self._clock_only is None or not match["name"].strip():
            return False
        if self._clock_only != (moment[0] is None):
            return True
        stranger = match["name"].strip() not in self.speakers
        return stranger and self._last is not None and _comparable(*moment) < self._last

    def is_rule(self, line: str) -> bool:
        """Tell whether a line is a rule of hyphens, as some versions write around a date."""
        return RULE.fullmatch(line) is not None

    def _stamped_notice(self, number: int, line: str, match: re.Match[str]) -> bool:
        if is_stamped_notice(match["text"]) or match["text"].startswith(":"):
            return self.notice(None)
        if is_clock(match["stamp"]):
            # "3:12, 그때 보자" within a message: a clock time alone begins nothing.
            return self._maybe_title(number, line)
        return self.refuse(number, "it has a time but no name and message", line)

    def _date_line(self, number: int, line: str) -> bool:
        if is_clock(line):
            return self._maybe_title(number, line)
        day = read_date(line)
        if day is None:
            return self.refuse(number, "its date does not exist", line)
        self._day, self._last = day, None
        return self.notice()

    def _heading(self, line: str) -> bool:
        if is_saved_date(line) and self._title:
            self._title = None
            self.system_lines += 1
        title = shown_title(line)
        if self._survey is None and title and PARTED in title:
            self._parted_names += (title,)
        return self.notice(BEFORE_FIRST)

    def _maybe_title(self, number: int, line: str) -> bool:
        """Keep the first line of all, which is a room's name if the next one is the date of saving."""
        first = not (self.speakers or self.faults or self.system_lines or self._title)
        self._drop_title()
        if first:
            self._title = (number, line)
        return first

    def _drop_title(self) -> None:
        if self._title:
            self.faults.append(fault(self._title[0], BEFORE_FIRST, self._title[1]))
            self._title = None


def _comparable(day: date | None, clock: time) -> datetime:
    return datetime.combine(day or date.min, clock)
