"""How much each turn counts, and the score of a conversation as it grows."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from clip_emotion.arrays import FloatArray, IntArray
from clip_emotion.errors import UsageError
from scoring.affection.equations import NOT_A_NUMBER, checked, weighted_mean
from scoring.config import RecencyConfig


def recency_weights(
    count: int,
    recency: RecencyConfig,
    minutes: FloatArray | None = None,
    scores: FloatArray | None = None,
    part: IntArray | None = None,
) -> FloatArray:
    """Return the recency r_t [T] of ``count`` turns, or of those at the positions ``part`` (from 0, ascending).

    ``minutes`` [T] are the turns' times, needed by a half-life in minutes; ``scores`` [T] are needed by ``peak-end``.
    A part's exponential weights are relative to its own last turn, a common factor that no ratio sees: a speaker who
    left long ago still has weights above zero. A part's peak and last turn are its own. Raises UsageError where times
    or scores are needed and missing.
    """
    places = np.arange(count) if part is None else part
    if recency.kind == "uniform" or not len(places):
        return np.ones(len(places))
    if recency.kind == "linear":
        return np.asarray((places + 1) / count)
    if recency.kind == "exponential":
        clock = _clock(count, recency, minutes)[places]
        return _fading(clock[-1] - clock, recency.half_life)
    if scores is None:
        raise UsageError("Recency 'peak-end' depends on the turn scores: hand them in as well.")
    weights = np.zeros(len(places))
    weights[_peaks(checked(scores)[places])[-1]] += 0.5
    weights[-1] += 0.5
    return weights


def normalised_score(
    s: FloatArray, recency: RecencyConfig, minutes: FloatArray | None = None, part: IntArray | None = None
) -> float:
    """Return S̄ = Σ_t r_t · s_t / Σ_t r_t, a weighted mean of the turn scores; NaN of no turns at all."""
    scores = checked(s)
    weights = recency_weights(len(scores), recency, minutes, scores, part)
    return weighted_mean(scores if part is None else scores[part], weights)


def running_scores(s: FloatArray, recency: RecencyConfig, minutes: FloatArray | None = None) -> FloatArray:
    """Return, at each turn, the normalised score [T] of the turns so far, as if the conversation ended there."""
    scores = checked(s)
    count = len(scores)
    if recency.kind == "peak-end":
        return np.asarray((scores[_peaks(scores)] + scores) / 2)
    if recency.kind == "exponential":
        clock = _clock(count, recency, minutes)
        kept = _fading(np.diff(clock, prepend=clock[:1]), recency.half_life)
        return np.asarray(_decayed_sums(scores, kept) / _decayed_sums(np.ones(count), kept))
    # The factor 1/T of the linear recency is common to both sums.
    weights = recency_weights(count, recency)
    return np.asarray(np.cumsum(weights * scores) / np.cumsum(weights))


class RunningScore:
    """The normalised score of a conversation as it grows, in memory that does not depend on its length.

    Beside the score it carries ``shares`` (a vector such as the labels' contributions), weighted in the same way. It
    keeps the sums Σ r_t s_t, Σ r_t and Σ t s_t; for ``exponential`` the first two fade at every turn, and ``peak-end``
    keeps the peak and the last turn instead.
    """

    __slots__ = ("_peak", "_ramp", "_recency", "_sum", "_weight", "clock", "count", "position")

    def __init__(self, recency: RecencyConfig) -> None:
        self._recency = recency
        self._sum = self._peak = np.zeros(1)
        self._weight = self._ramp = 0.0
        self.clock = -math.inf
        self.count = self.position = 0

    def update(
        self,
        score: float,
        minute: float | None = None,
        position: int | None = None,
        shares: FloatArray | Sequence[float] = (),
    ) -> float:
        """Take in the next turn's score and return the normalised score S̄ so far.

        ``minute`` is the turn's time, needed by a half-life in minutes. ``position`` is the turn's place (from 1) in
        the whole conversation, where this is one speaker's part in it; ``shares`` must keep its length. Raises
        UsageError, and changes nothing, where a time is missing or the score is not a number.
        """
        if not math.isfinite(score):
            raise UsageError(NOT_A_NUMBER)
        place = self.position + 1 if position is None else position
        clock = self._tick(minute, place)
        value = np.array([score, *shares])
        if self._recency.kind == "peak-end":
            self._peak = value if not self.count or abs(score) >= abs(self._peak[0]) else self._peak
            self._sum, self._weight = (self._peak + value) / 2, 1.0
        else:
            kept, weight = self._step(clock, place)
            self._sum, self._weight = self._sum * kept + weight * value, self._weight * kept + weight
        self._ramp += place * float(score)
        self.clock, self.position, self.count = clock, place, self.count + 1
        return self.score

    @property
    def score(self) -> float:
        """The normalised score S̄ so far; NaN before the first turn."""
        return float(self._sum[0] / self._weight) if self.count else math.nan

    @property
    def shares(self) -> FloatArray:
        """The shares, weighted by recency as the score is; empty before the first turn."""
        return np.asarray(self._sum[1:] / self._weight) if self.count else np.zeros(0)

    def raw(self, total: int | None = None) -> float:
        """Return Σ (t/T) · s_t with T = ``total``, the length of the whole conversation (this one's own by default)."""
        return self._ramp / (total or self.position or 1)

    def _tick(self, minute: float | None, place: int) -> float:
        if self._recency.kind != "exponential" or self._recency.unit == "turns":
            return float(place)
        if minute is None or not math.isfinite(minute):
            raise UsageError(_no_time(self._recency))
        return max(self.clock, minute)

    def _step(self, clock: float, place: int) -> tuple[float, float]:
        """Return the factor by which the sums fade before this turn, and the weight with which it joins them."""
        if self._recency.kind == "exponential":
            # Nothing has been summed before the first turn, when the clock stands at minus infinity.
            return 2.0 ** -((clock - self.clock) / self._recency.half_life), 1.0
        return 1.0, float(place) if self._recency.kind == "linear" else 1.0


def _peaks(s: FloatArray) -> IntArray:
    """Return the position of the most intense turn so far [T], the latest of equals."""
    intensity = np.abs(s)
    record = intensity >= np.maximum.accumulate(intensity)
    return np.asarray(np.maximum.accumulate(np.where(record, np.arange(len(s)), 0)))


def _clock(count: int, recency: RecencyConfig, minutes: FloatArray | None) -> FloatArray:
    """Return when each turn was said [T], in the half-life's unit and never falling."""
    if recency.unit == "turns":
        return np.arange(count, dtype=np.float64)
    if minutes is None or not np.isfinite(minutes).all():
        raise UsageError(_no_time(recency))
    return np.asarray(np.maximum.accumulate(minutes))


def _no_time(recency: RecencyConfig) -> str:
    return (
        f"A half-life in time ({recency.half_life_words}) needs a time for every turn, and some have none: give "
        "--half-life in turns."
    )


def _fading(age: FloatArray, half_life: float) -> FloatArray:
    with np.errstate(over="ignore"):  # an age of very many half-lives is infinite, and weighs 0
        return np.asarray(np.exp2(-(age / half_life)))


def _decayed_sums(values: FloatArray, kept: FloatArray) -> FloatArray:
    """Return y_t = kept_t · y_{t-1} + values_t [T]; ``kept`` varies from turn to turn, so no filter does this."""
    sums, total = [], 0.0
    for value, share in zip(values.tolist(), kept.tolist(), strict=True):
        total = total * share + value
        sums.append(total)
    return np.array(sums, dtype=np.float64)
