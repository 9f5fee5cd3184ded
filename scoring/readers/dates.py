"""The days of a conversation that are scored: from one date to another."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from datetime import date, datetime

from clip_emotion.errors import DataError, UsageError
from scoring.conversation import Conversation
from scoring.readers.times import read_date

EXAMPLE = "2026-01-31"
_DATE = re.compile(r"\d{4}(?:년 ?|[-./] ?)\d{1,2}(?:월 ?|[-./] ?)\d{1,2}[일.]?", re.ASCII)


@dataclass(frozen=True)
class DateRange:
    """The days from ``first`` to ``last``, both among them; None leaves an end open."""

    first: date | None = None
    last: date | None = None

    def __post_init__(self) -> None:
        if self.first and self.last and self.first > self.last:
            raise UsageError(f"--from {self.first} is later than --to {self.last}: exchange them.")

    def __contains__(self, moment: datetime) -> bool:
        """Tell whether a moment is on one of the days."""
        day = moment.date()
        return (self.first is None or day >= self.first) and (self.last is None or day <= self.last)

    def select(self, conversation: Conversation) -> Conversation:
        """Return the conversation with the turns of these days; turns keep their numbers.

        A turn without a time is on the day of the one before it. Raises DataError where no turn has a time or none is
        on these days.
        """
        if self.first is None and self.last is None:
            return conversation
        times = [turn.time for turn in conversation.turns if turn.time is not None]
        if not times:
            raise DataError(f"{conversation.name} has no times, by which days could be told.")
        now, kept = times[0], []
        for turn in conversation.turns:
            now = turn.time or now
            if now in self:
                kept.append(turn)
        if not kept:
            days = f"{min(times):%Y-%m-%d} to {max(times):%Y-%m-%d}"
            raise DataError(f"{conversation.name} holds no turns of these days: its own are {days}.")
        return replace(conversation, turns=tuple(kept))


def parse_date(text: str) -> date | None:
    """Return the date that a text is (2026-01-31, 2026. 1. 31., 2026/1/31), or None where it is none."""
    text = text.strip()
    return read_date(text) if _DATE.fullmatch(text) else None
