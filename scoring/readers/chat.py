"""What chat transcripts share: a message begins with its speaker and goes on until something else begins."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence

from scoring.conversation import Fault
from scoring.readers.cleaning import is_damaged
from scoring.readers.messages import Message, fault

BEFORE_FIRST = "it stands before the first message"
AFTER_FAULT = "it follows a line that could not be read"
AFTER_NOTICE = "it belongs to no message"
_LONGEST_GAP = 1000
"""Blank lines and rules that are held back in case a message goes on behind them."""


class ChatParser(ABC):
    """Collects messages of one or more lines; a child says in ``begin`` what begins on a line.

    ``speakers`` are those who have spoken so far.
    """

    def __init__(self) -> None:
        self.faults: list[Fault] = []
        self.system_lines = 0
        self.speakers: set[str] = set()
        self._open: Message | None = None
        self._lines: list[str] = []
        # Blank lines and rules, which are the message's only if it goes on behind them.
        self._gap: list[str] = []
        self._done: list[Message] = []
        # Why a line that begins nothing is a fault while no message is open; None where it is the rest of a notice.
        self._orphans: str | None = BEFORE_FIRST

    @abstractmethod
    def begin(self, number: int, line: str) -> Message | bool:
        """Return the message that begins on a line, True where the line is dealt with, False where nothing begins."""

    def feed(self, number: int, line: str) -> Sequence[Message]:
        """Take a line; returns the message that it ends, if any."""
        if not line or line.isspace():
            if self._open is not None and len(self._gap) < _LONGEST_GAP:
                self._gap.append("")
            return ()
        if self.is_rule(line.strip()):
            if self._open is None or len(self._gap) >= _LONGEST_GAP:
                self.system_lines += 1
            else:
                self._gap.append(line.strip())
            return ()
        if is_damaged(line):
            self.refuse(number, "it holds bytes that are not text", line)
        else:
            begun = self.begin(number, line)
            if begun is False:
                self._continue(number, line)
            elif begun is not True:
                self._start(begun)
        return self._take()

    def flush(self) -> Sequence[Message]:
        """Return the open message; lines that go on with it make a new one of the same speaker."""
        self._complete()
        return self._take()

    def finish(self) -> Sequence[Message]:
        """Return the open message."""
        self._close(self._orphans)
        return self._take()

    def completed(self, message: Message) -> None:
        """Change a message whose whole text is known, where a child knows more of it."""
        return

    def is_rule(self, line: str) -> bool:
        """Tell whether a line is only drawn; such a line is a message's where the message goes on behind it."""
        return False

    def notice(self, orphans: str | None = AFTER_NOTICE) -> bool:
        """Count a line as the export's own, which ends the open message.

        ``orphans`` is the fault of the lines that follow it (None: they belong to the notice).
        """
        self._close(orphans)
        self.system_lines += 1
        return True

    def refuse(self, number: int, reason: str, line: str) -> bool:
        """Make a fault of a line, which ends the open message."""
        self._close(AFTER_FAULT)
        self.faults.append(fault(number, reason, line))
        return True

    @property
    def speaking(self) -> bool:
        """Whether a message is open, so that a line may go on with it."""
        return self._open is not None

    def _close(self, orphans: str | None) -> None:
        self._complete()
        self.system_lines += sum(1 for line in self._gap if line)
        self._open, self._orphans, self._gap = None, orphans, []

    def _complete(self) -> None:
        message = self._open
        if message is not None and self._lines:
            self._open = Message(message.line, message.speaker, "", message.time)
            message.text = "\n".join(self._lines).strip()
            self._lines, self._gap = [], [line for line in self._gap if line]
            self.completed(message)
            self._done.append(message)

    def _start(self, message: Message) -> None:
        self._close(None)
        self._open, self._lines = message, [message.text]
        self.speakers.add(message.speaker)

    def _continue(self, number: int, line: str) -> None:
        if self._open is not None:
            if not self._lines:
                self._open.line = number
            self._lines += [*self._gap, line.rstrip()]
        elif self._orphans is None:
            self.system_lines += 1
        else:
            self.faults.append(fault(number, self._orphans, line))
        self._gap = []

    def _take(self) -> Sequence[Message]:
        if not self._done:
            return ()
        done, self._done = self._done, []
        return done
