"""What readers hand to one another: messages as written, and the contract of a parser."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from scoring.conversation import Fault

EXCERPT = 60
LONGEST_TEXT = 100_000
"""Characters of one message that are read: no chat program sends more, and a judge of texts needs memory for each."""
LONGEST_NAME = 200
"""Characters of a speaker's name that are read."""


@dataclass(slots=True)
class Message:
    """One message as its layout gives it: ``line`` is where it begins, ``image`` the picture's name as written."""

    line: int
    speaker: str
    text: str
    time: datetime | None = None
    image: str | None = None
    emotions: Mapping[str, float] | None = None
    media: str | None = None
    conversation: str = ""


class Parser(Protocol):
    """Turns the lines of one input into messages, one line at a time.

    A line that is not blank ends in exactly one place: a message, ``system_lines`` or ``faults``. (A fault may also
    speak of a message that was read, when its picture or its time cannot be used.)
    """

    faults: list[Fault]
    system_lines: int

    def feed(self, number: int, line: str) -> Sequence[Message]:
        """Take line ``number`` (from 1), cleaned and without its end, and return the messages that are complete."""
        ...

    def flush(self) -> Sequence[Message]:
        """Return what is held back in case it goes on; a line that then does go on begins a message of its own."""
        ...

    def finish(self) -> Sequence[Message]:
        """Return what is left at the end of the input."""
        ...


@dataclass(frozen=True)
class Layout:
    """One form of transcript.

    ``recognise(line, first)`` tells whether a line is unmistakably of this layout; ``first`` marks the input's first
    line that is not blank. ``parser(lines)`` makes a parser; ``lines`` are the whole input's, or none where they come
    one by one. Layouts with ``has_placeholders`` write what they leave out as a word (사진, Photo).
    """

    name: str
    recognise: Callable[[str, bool], bool]
    parser: Callable[[Sequence[str]], Parser]
    has_placeholders: bool = False


def fault(line: int, reason: str, text: str) -> Fault:
    """Make the record of a line that could not be used, with the line's first 60 characters at most."""
    text = " ".join(text.split())
    return Fault(line, reason, text if len(text) <= EXCERPT else text[: EXCERPT - 1] + "…")
