"""Scores in short as CSV: a row for each conversation, each of its speakers, and each of its periods where asked."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from clip_emotion.csv_text import csv_line
from scoring.output.formats import DIGITS
from scoring.result import ConversationScore, Failure, Outcome, PeriodScore, Summary

HEADER = ("conversation", "speaker", "period", "turns", "score", "low", "high", "error")
"""``speaker`` is empty for all speakers together, ``period`` (its first day) for the whole time."""


def summary_csv(outcomes: Sequence[Outcome]) -> str:
    """Return the scores with their 95 % intervals (``low``, ``high``); a failure is a row with an error, no BOM."""
    rows: list[Sequence[object]] = [HEADER]
    for outcome in outcomes:
        if isinstance(outcome, Failure):
            rows.append([outcome.name, *[""] * (len(HEADER) - 2), outcome.error])
        else:
            rows += _rows(outcome)
    return "".join(map(csv_line, rows))


def _rows(score: ConversationScore) -> Iterator[Sequence[object]]:
    yield _row(score.name, "", "", score.conversation)
    for speaker, part in score.speakers.items():
        yield _row(score.name, speaker, "", part)
    for period in score.periods:
        yield _row(score.name, "", period.start.isoformat(), period)


def _row(name: str, speaker: str, period: str, part: Summary | PeriodScore) -> Sequence[object]:
    value = None if part.score is None else round(part.score, DIGITS)
    low, high = (None, None) if part.ci95 is None else (round(bound, DIGITS) for bound in part.ci95)
    return [name, speaker, period, part.turns, value, low, high, None]
