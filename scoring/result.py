"""What a scored conversation holds; plain records, ready to be written in any format."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime

from scoring.config import ScoreConfig
from scoring.conversation import Fault, Turn


@dataclass(frozen=True, slots=True)
class TurnScore:
    """One turn's score s_t in [-1, 1] and the normalised score of the conversation up to it.

    ``emotions`` and ``contributions`` (p·w, which sum to ``score``) are keyed by label. A turn of which nothing can be
    said (a photo that the export left out) has no ``score``, is part of no sum, and ``error`` says why. ``clear`` says
    whether the dominant label is sure enough to be named.
    """

    turn: Turn
    score: float | None
    running: float | None
    emotions: Mapping[str, float]
    contributions: Mapping[str, float]
    error: str | None = None
    clear: bool = True

    @property
    def dominant(self) -> str | None:
        """The label with the highest probability."""
        return max(self.emotions, key=lambda label: self.emotions[label]) if self.emotions else None

    def strongest(self, count: int = 3) -> list[tuple[str, float]]:
        """The labels with the highest probabilities, highest first, with these."""
        return sorted(self.emotions.items(), key=lambda entry: -entry[1])[:count]


@dataclass(frozen=True, slots=True)
class Summary:
    """A conversation or one speaker's part in it.

    ``turns`` counts the scored ones, ``score`` is Σ r_t s_t / Σ r_t, ``raw`` is Σ (t/T) s_t, ``ci95`` the bootstrap
    interval of ``score`` (None below two turns, and where it would be a point). ``contributions`` are the labels'
    shares of ``score``.
    """

    turns: int
    score: float | None
    raw: float | None
    ci95: tuple[float, float] | None
    contributions: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Shift:
    """A mood shift: from turn number ``index`` on, the mean turn score is ``after``, before it ``before``.

    ``turns`` are the numbers of the turns that moved it most, strongest first.
    """

    index: int
    before: float
    after: float
    turns: tuple[int, ...]
    time: datetime | None = None


@dataclass(frozen=True, slots=True)
class PeriodScore:
    """The mean score of a day, week or month that begins on ``start``, over ``turns`` scored turns."""

    start: date
    turns: int
    score: float
    ci95: tuple[float, float] | None


@dataclass(frozen=True)
class ConversationScore:
    """A whole conversation, scored: ``emotions_from`` and ``weights_from`` say by what, ``settings`` say how.

    ``labels`` holds the labels' shown names by key, which are in ``language``; ``periods`` are there where scores by
    day, week or month were asked for.
    """

    name: str
    conversation: Summary
    speakers: Mapping[str, Summary]
    shifts: tuple[Shift, ...]
    turns: tuple[TurnScore, ...]
    settings: ScoreConfig
    emotions_from: str
    weights_from: str
    labels: Mapping[str, str] = field(default_factory=dict)
    language: str = "ko"
    faults: tuple[Fault, ...] = ()
    system_lines: int = 0
    layout: str = "given"
    notices: tuple[str, ...] = ()
    periods: tuple[PeriodScore, ...] = ()


@dataclass(frozen=True, slots=True)
class Failure:
    """An input of a batch that could not be scored, and why."""

    name: str
    error: str


Outcome = ConversationScore | Failure
