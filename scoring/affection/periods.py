"""Scores by day, week or month: the plain mean of each period's turns."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from datetime import date, timedelta

import numpy as np

from clip_emotion.errors import DataError, UsageError
from scoring.affection.bootstrap import mean_interval
from scoring.result import ConversationScore, PeriodScore

PERIODS: dict[str, Callable[[date], date]] = {
    "day": lambda day: day,
    "week": lambda day: day - timedelta(days=day.weekday()),
    "month": lambda day: day.replace(day=1),
}
"""The first day of a date's period; weeks begin on Monday."""


def period_scores(score: ConversationScore, period: str) -> tuple[PeriodScore, ...]:
    """Return the mean turn score of each period in which turns were scored, in order of time, with its interval.

    Within a period all turns count alike. Turns without a time are in none. Raises UsageError for an unknown period,
    DataError where no scored turn has a time.
    """
    if period not in PERIODS:
        raise UsageError(f"Unknown period '{period}': use one of {', '.join(PERIODS)}.")
    scores: dict[date, list[float]] = defaultdict(list)
    for scored in score.turns:
        if scored.score is not None and scored.turn.time is not None:
            scores[PERIODS[period](scored.turn.time.date())].append(scored.score)
    if not scores:
        raise DataError(f"{score.name} has no times, by which its {period}s could be told.")
    return tuple(_period(start, np.asarray(scores[start]), score) for start in sorted(scores))


def _period(start: date, scores: np.ndarray, score: ConversationScore) -> PeriodScore:
    interval = mean_interval(scores, np.ones(len(scores)), score.settings.bootstrap)
    return PeriodScore(start, len(scores), float(scores.mean()), interval)
