"""Turns of a conversation, and the records that scoring hands around; no torch here."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Turn:
    """One message.

    ``index`` counts from 1. ``image`` is a picture that came with it, ``emotions`` are probabilities per label that the
    file itself gives. ``media`` names what the export left out (``photo``, ``video``, ``emoticon``, ``file``,
    ``deleted`` …); such a turn has no text.
    """

    index: int
    speaker: str
    text: str
    time: datetime | None = None
    image: Path | None = None
    emotions: Mapping[str, float] | None = None
    media: str | None = None

    @property
    def minute(self) -> float | None:
        """The time in minutes since 1970, taken as UTC where it names no zone."""
        if self.time is None:
            return None
        aware = self.time if self.time.tzinfo is not None else self.time.replace(tzinfo=UTC)
        return aware.timestamp() / 60


@dataclass(frozen=True, slots=True)
class Fault:
    """A line of the input that could not be read as a turn: its number (from 1), the reason, and its beginning."""

    line: int
    reason: str
    excerpt: str


@dataclass(frozen=True)
class Conversation:
    """A conversation as read from one input.

    ``layout`` names the format that was recognised; ``system_lines`` counts date lines, greetings of an export and
    notes such as who joined, which are nobody's turn.
    """

    name: str
    turns: tuple[Turn, ...]
    layout: str = "given"
    system_lines: int = 0
    faults: tuple[Fault, ...] = field(default=())

    @property
    def speakers(self) -> tuple[str, ...]:
        """The speakers in the order in which they first speak."""
        return tuple(dict.fromkeys(turn.speaker for turn in self.turns))
