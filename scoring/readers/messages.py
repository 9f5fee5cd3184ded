"""What readers hand to one another: messages as written, and the contract of a parser."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

from scoring.conversation import Fault
from scoring.readers.json_text import DocumentText

EXCERPT = 60
LONGEST_TEXT = 100_000
"""Characters of one message that are read: no chat program sends more, and a judge of texts needs memory for each."""
LONGEST_NAME = 200
"""Characters of a speaker's name that are read."""


@dataclass(slots=True)
class Message:
    """One message as its layout gives it: ``line`` is where it begins, ``image`` the picture's name as written.

    ``attached`` names a picture that may lie beside the input, whole or its end; where it does not, ``media`` holds.
    """

    line: int
    speaker: str
    text: str
    time: datetime | None = None
    image: str | None = None
    emotions: Mapping[str, float] | None = None
    media: str | None = None
    conversation: str = ""
    attached: str | None = None


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
class Source:
    """What is known of an input before it is parsed: its lines (none where they come one by one) and its name.

    ``date_order`` (dmy, mdy, ymd) is the order that the user names for dates in numbers alone.
    """

    lines: Sequence[str] = ()
    date_order: str | None = None
    name: str = "the conversation"


@dataclass(frozen=True)
class Layout:
    """One form of transcript that is read line by line.

    ``recognise(line, first)`` tells whether a line is unmistakably of this layout; ``first`` marks the input's first
    line that is not blank. ``parser(source)`` makes a parser. Layouts with ``has_placeholders`` write what they leave
    out as a word (사진, Photo). Those with ``has_marks`` get their lines with the left-to-right marks in them.
    ``is_table``: each row stands for itself, so that a row which cannot be read says nothing against the layout.
    """

    name: str
    recognise: Callable[[str, bool], bool]
    parser: Callable[[Source], Parser]
    has_placeholders: bool = False
    has_marks: bool = False
    is_table: bool = False


@dataclass
class Reading:
    """What a document holds: messages, what could not be read, and how many entries were the program's own."""

    messages: list[Message] = field(default_factory=list)
    faults: list[Fault] = field(default_factory=list)
    system_lines: int = 0


@dataclass(frozen=True)
class DocumentLayout:
    """One form of transcript that is read as a whole (JSON, XML); ``recognise`` and ``read`` take all of its text."""

    name: str
    recognise: Callable[[DocumentText], bool]
    read: Callable[[str], Reading]


def fault(line: int, reason: str, text: str) -> Fault:
    """Make the record of a line that could not be used, with the line's first 60 characters at most."""
    text = " ".join(text.split())
    return Fault(line, reason, text if len(text) <= EXCERPT else text[: EXCERPT - 1] + "…")
