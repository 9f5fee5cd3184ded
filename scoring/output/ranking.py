"""Several conversations, the warmest first."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from scoring.result import Failure, Outcome, Summary


@dataclass(frozen=True, slots=True)
class Rank:
    """A row of a ranking: a conversation, or one speaker's part in it, with its summary or else the error."""

    name: str
    summary: Summary | None
    labels: Mapping[str, str]
    error: str | None = None


def ranking(outcomes: Iterable[Outcome], *, by_speaker: bool = False) -> list[Rank]:
    """Return conversations (or with ``by_speaker`` each speaker's part) warmest first, and failures last in order."""
    rows: list[Rank] = []
    for outcome in outcomes:
        if isinstance(outcome, Failure):
            rows.append(Rank(outcome.name, None, {}, outcome.error))
        elif by_speaker:
            parts = outcome.speakers.items()
            rows += [Rank(f"{outcome.name}, {speaker}", part, outcome.labels) for speaker, part in parts]
        else:
            rows.append(Rank(outcome.name, outcome.conversation, outcome.labels))
    return sorted(rows, key=_coldness)


def _coldness(row: Rank) -> float:
    if row.summary is None:
        return 3.0
    return 2.0 if row.summary.score is None else -row.summary.score
