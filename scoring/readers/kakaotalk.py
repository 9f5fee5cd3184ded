"""KakaoTalk's text exports: Android, iOS and Windows, in Korean and in English.

Android writes ``2024년 3월 1일 오후 3:12, 이름 : 말``; iOS ``2024. 3. 1. 오후 3:12, 이름 : 말``, or the time alone
under a date line; Windows ``[이름] [오후 3:12] 말`` under ``--------------- 2024년 3월 1일 금요일 ---------------``.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, time
from functools import lru_cache

from scoring.readers.chat import BEFORE_FIRST, ChatParser
from scoring.readers.messages import Layout, Message, fault
from scoring.readers.notices import is_bare_note, is_heading, is_saved_date, is_stamped_note
from scoring.readers.times import MONTH, read_clock, read_date

_HALF = "(?:오전|오후)"
_AM = r"(?: ?[AaPp]\.?[Mm]\b\.?)"
_CLOCK = rf"(?:{_HALF} ?\d{{1,2}}:\d{{2}}|\d{{1,2}}:\d{{2}}{_AM}?|[AP]M \d{{1,2}}:\d{{2}})"
_ENGLISH = rf"(?:{MONTH} \d{{1,2}}, \d{{4}}|\d{{1,2}} {MONTH} \d{{4}})(?: at|,)? {_CLOCK}"
_KOREAN = rf"\d{{4}}년 ?\d{{1,2}}월 ?\d{{1,2}}일 {_CLOCK}"
_DOTTED = rf"\d{{4}}\. ?\d{{1,2}}\. ?\d{{1,2}}\.? {_CLOCK}"
_WEEKDAY = "(?:Mon|Tues|Wednes|Thurs|Fri|Satur|Sun)day"
_DATE_LINE = re.compile(
    rf"(?P<rule>-{{3,}} ?)?(?:\d{{4}}년 ?\d{{1,2}}월 ?\d{{1,2}}일(?: [월화수목금토일]요일)?"
    rf"|\d{{4}}\. ?\d{{1,2}}\. ?\d{{1,2}}\. [월화수목금토일]요일"
    rf"|{_WEEKDAY}, (?:{MONTH} \d{{1,2}}|\d{{1,2}} {MONTH}),? \d{{4}})(?(rule) ?-{{3,}})"
)


@dataclass(frozen=True)
class Form:
    """How one of KakaoTalk's programs writes.

    ``message`` has the groups stamp, name and text; ``note`` has stamp and text, for lines that nobody says; ``moment``
    is a stamp that stands alone. ``own`` recognises a message that no other program would write so.
    """

    name: str
    message: re.Pattern[str]
    own: re.Pattern[str]
    note: re.Pattern[str] | None = None
    moment: re.Pattern[str] | None = None


def _stamped(name: str, stamp: str, own: str) -> Form:
    return Form(
        name,
        message=re.compile(rf"(?P<stamp>{stamp}), (?P<name>.*?) :(?: (?P<text>.*))?$"),
        own=re.compile(rf"{own}, .* :(?: |$)"),
        note=re.compile(rf"(?P<stamp>{stamp})(?:,|:) ?(?P<text>.*)"),
        moment=re.compile(stamp),
    )


_WINDOWS_MESSAGE = re.compile(rf"\[(?P<name>.+?)\] \[(?P<stamp>{_CLOCK})\](?: (?P<text>.*))?$", re.IGNORECASE)
_IOS = rf"(?:{_DOTTED}|{_ENGLISH}|{_CLOCK})"
# In English, Android writes the month out and iOS shortens it; both are read by either.
_LONG_MONTH = "(?=(?:\\d+ )?(?:January|February|March|April|May|June|July|August|September|October|November|December) )"
FORMS = (
    _stamped("kakaotalk-android", stamp=rf"(?:{_KOREAN}|{_ENGLISH})", own=rf"(?:{_KOREAN}|{_LONG_MONTH}{_ENGLISH})"),
    _stamped("kakaotalk-ios", stamp=_IOS, own=_IOS),
    Form("kakaotalk-windows", _WINDOWS_MESSAGE, own=_WINDOWS_MESSAGE),
)


class KakaoTalkParser(ChatParser):
    """Reads one export of one form; the date of date lines holds for messages that have a clock time alone."""

    def __init__(self, form: Form) -> None:
        super().__init__()
        self._form = form
        self._day: date | None = None
        self._title: tuple[int, str] | None = None
        # Names with " : " in them, known from the title: no line alone tells where such a name ends.
        self._parted_names: tuple[str, ...] = ()

    def begin(self, number: int, line: str) -> Message | bool:
        """Return the message that begins here, True for what is no message, False for a line that goes on."""
        if match := self._form.message.match(line):
            self._drop_title()
            return self._message(number, line, match)
        line = line.strip()
        if self._form.note and (match := self._form.note.fullmatch(line)):
            return self._stamped_note(number, line, match)
        if _DATE_LINE.fullmatch(line) or (self._form.moment and self._form.moment.fullmatch(line)):
            return self._date_line(number, line)
        if is_heading(line):
            return self._heading(line)
        if is_bare_note(line, None if not self.speaking else self.speakers):
            return self.note()
        if not self.speaking and self.speakers and is_stamped_note(line):
            return self.note()
        return self._maybe_title(number, line)

    def finish(self) -> Sequence[Message]:
        """Return the open message."""
        self._drop_title()
        return super().finish()

    def _message(self, number: int, line: str, match: re.Match[str]) -> Message | bool:
        name, text = match["name"].strip(), match["text"] or ""
        for parted in self._parted_names:
            said = f"{name} : {text}"
            if said.startswith(f"{parted} : "):
                name, text = parted, said[len(parted) + 3 :]
        if not name or (("님이 " in name or "님을 " in name) and is_stamped_note(f"{name} : {text}")):
            return self.note(None)
        moment = _read_stamp(match["stamp"])
        if moment is None:
            return self.refuse(number, "its date or time does not exist", line)
        day, clock = moment
        day = day or self._day
        return Message(number, name, text.rstrip(), datetime.combine(day, clock) if day else None)

    def _stamped_note(self, number: int, line: str, match: re.Match[str]) -> bool:
        if is_stamped_note(match["text"]):
            return self.note(None)
        if _is_clock(match["stamp"]):
            # "3:12, 그때 보자" within a message: a clock time alone begins nothing.
            return self._maybe_title(number, line)
        return self.refuse(number, "it has a time but no name and message", line)

    def _date_line(self, number: int, line: str) -> bool:
        if _is_clock(line):
            return self._maybe_title(number, line)
        day = read_date(line)
        if day is None:
            return self.refuse(number, "its date does not exist", line)
        self._day = day
        return self.note()

    def _heading(self, line: str) -> bool:
        if is_saved_date(line) and self._title:
            self._title = None
            self.system_lines += 1
        title = re.sub(r" ?(?:님과(?:의)? ?)?카카오톡 대화$| with KakaoTalk Chats$|^KakaoTalk Chats with ", "", line)
        if " : " in title and not is_saved_date(line):
            self._parted_names += (title,)
        return self.note(BEFORE_FIRST)

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


def _is_clock(stamp: str) -> bool:
    return re.search(r"\d{4}", stamp) is None


@lru_cache(maxsize=4096)
def _read_stamp(stamp: str) -> tuple[date | None, time] | None:
    """Return a stamp's date (None where it has none) and clock time, or None where one of them does not exist."""
    day, clock = read_date(stamp), read_clock(stamp)
    if clock is None or (day is None and not _is_clock(stamp)):
        return None
    return day, clock


def _layout(form: Form) -> Layout:
    return Layout(
        form.name,
        recognise=lambda line, first: form.own.match(line) is not None,
        parser=lambda: KakaoTalkParser(form),
        kakaotalk=True,
    )


KAKAOTALK = tuple(_layout(form) for form in FORMS)
