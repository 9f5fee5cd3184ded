"""LINE for Windows and macOS: ``15:12 Name text`` under ``2024.01.15 월요일``, with nothing but spaces in between.

Where a name ends no line alone tells: a second word belongs to the name where it stands behind the first in every line.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Sequence
from datetime import date, datetime

from scoring.readers.chat import BEFORE_FIRST, ChatParser
from scoring.readers.line.dates import CLOCK, YEAR_FIRST, clock_of
from scoring.readers.line.mobile import pasted_lines, unquoted
from scoring.readers.line.words import is_title, media_of
from scoring.readers.messages import Message, Source
from scoring.readers.times import read_date

SAID = re.compile(rf"(?P<clock>{CLOCK}) (?P<name>[^\s\t]{{1,200}}) (?P<text>[^\t]*)$")
_WHO = r"\S{1,80}(?: \S{1,80}){0,2}"
_DEEDS = "들어왔|나갔|초대했|내보냈|참가했|변경했|추가했|삭제했|취소했|등록했|시작했|종료했"
_JAPANESE_DEEDS = "グループに参加しました|を招待しました|退会しました|メッセージの送信を取り消しました"
_NOTICE = re.compile(
    rf"{_WHO} (?:(?:joined|left) the (?:group|chat)|unsent a message|changed the group.{{1,120}})\.?"
    rf"|{_WHO}(?:님이|님을|님께서) .{{0,120}}(?:{_DEEDS})습니다\.?|메시지(?: 보내기)?를 취소했습니다\.?"
    rf"|{_WHO}[がは]?(?:{_JAPANESE_DEEDS})。?"
)
_LEAST_LINES = 4
"""Lines of one first word before a second word counts as its name's."""
_LONGEST_NAME_WORDS = 4


class LineDesktopParser(ChatParser):
    """Reads one export; without the whole of it a name is one word."""

    def __init__(self, source: Source) -> None:
        super().__init__()
        lines = [line.strip() for line in source.lines]
        self._names = _long_names(lines)
        self._pasted = pasted_lines(lines, SAID)
        self._day: date | None = None

    def begin(self, number: int, line: str) -> Message | bool:
        """Return the message that begins here, True for a date or a notice, False for a line that goes on."""
        stripped = line.strip()
        if YEAR_FIRST.fullmatch(stripped):
            self._day = read_date(stripped)
            return self.notice() if self._day else self.refuse(number, "its date does not exist", line)
        match = SAID.match(stripped)
        if match is None:
            return self.notice(BEFORE_FIRST) if not self.speakers and is_title(stripped) else False
        if self.speaking and number in self._pasted:
            return False
        clock = clock_of(match["clock"])
        if clock is None:
            return self.refuse(number, "its time does not exist", line)
        said = f"{match['name']} {match['text']}"
        if _NOTICE.fullmatch(said):
            return self.notice(None)
        name = next((name for name in self._names if said.startswith(f"{name} ")), match["name"])
        return Message(
            number, name, said[len(name) :].strip(), datetime.combine(self._day, clock) if self._day else None
        )

    def completed(self, message: Message) -> None:
        """Take the quotes off a message of several lines, and tell what was left out."""
        message.text = unquoted(message.text)
        if media := media_of(message.text, bare=True):
            message.text, message.media = "", media


def _long_names(lines: Sequence[str]) -> list[str]:
    """Return the names of several words, the longest first."""
    said: dict[str, list[list[str]]] = defaultdict(list)
    for line in lines:
        if match := SAID.match(line):
            said[match["name"]].append(match["text"].split())
    names = []
    for first, texts in said.items():
        words = [first]
        while len(texts) >= _LEAST_LINES and len(words) < _LONGEST_NAME_WORDS:
            seconds = {text[0] if len(text) > 1 else "" for text in texts}
            if len(seconds) > 1 or "" in seconds:
                break
            words += seconds
            texts = [text[1:] for text in texts]
        if len(words) > 1:
            names.append(" ".join(words))
    return sorted(names, key=len, reverse=True)
