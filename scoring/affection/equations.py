"""The arithmetic of affection: turn scores, recency, running scores and intervals; pure functions on arrays.

A conversation has T scored turns; turn t gives label l the probability p_tl, and label l has the weight w_l. Then

    s_t = Σ_l p_tl · w_l                    the turn's score
    S   = Σ_t (t/T) · s_t                   the conversation's raw score
    S̄   = Σ_t r_t · s_t / Σ_t r_t           its normalised score, with the recency r_t

    linear        r_t = t/T
    uniform       r_t = 1
    exponential   r_t = 2^{-(T - t)/h}, or in minutes 2^{-(time_T - time_t)/h}
    peak-end      r_t = ½ for the most intense turn and ½ for the last one, so that S̄ is their mean

The peak-end rule is Kahneman, Fredrickson, Schreiber and Redelmeier (1993), "When more pain is preferred to less". The
most intense turn has the largest |s_t|, the latest of equals. Clocks that go backwards stand still instead: a turn
counts as sent no earlier than the one before it. Turns of which nothing can be said are left out before any of this:
T and t count scored turns only, and no function here takes NaN.

A part of a conversation (a speaker's turns) keeps the whole's t and T. So the parts' raw scores add up to the whole's.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from clip_emotion.errors import UsageError
from scoring.config import BootstrapConfig, RecencyConfig

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.intp]
Reduce = Callable[[FloatArray], FloatArray]

NOT_A_NUMBER = "A turn score is not a number: leave out the turns of which nothing can be said before scoring."

_QUANTILES = (0.025, 0.975)
# Turns that weigh less than this, beside the heaviest, are no part of a resample: they could only ever matter in one
# that happens to miss every turn that counts.
_NEGLIGIBLE = 1e-9
# Indices drawn at a time, which bounds the bootstrap's memory at some tens of MiB however long the chat.
_CHUNK = 1_000_000


def turn_scores(p: FloatArray, w: FloatArray) -> FloatArray:
    """Return the turn scores s_t = Σ_l p_tl · w_l [T] of probabilities [T, L] and weights [L]; NaN for rows of NaN."""
    return np.asarray(p @ w, dtype=np.float64)


def contributions(p: FloatArray, w: FloatArray) -> FloatArray:
    """Return each label's part p_tl · w_l [T, L] of each turn's score; a row sums to the turn's score."""
    return np.asarray(p * w, dtype=np.float64)


def raw_score(s: FloatArray, part: IntArray | None = None) -> float:
    """Return S = Σ_t (t/T) · s_t over all turns, or over the turns at the positions ``part`` (from 0) alone."""
    scores = _checked(s)
    places = np.arange(len(scores)) if part is None else part
    return float((places + 1) @ scores[places] / len(scores)) if len(scores) else 0.0


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
    weights[_peaks(_checked(scores)[places])[-1]] += 0.5
    weights[-1] += 0.5
    return weights


def normalised_score(
    s: FloatArray, recency: RecencyConfig, minutes: FloatArray | None = None, part: IntArray | None = None
) -> float:
    """Return S̄ = Σ_t r_t · s_t / Σ_t r_t, a weighted mean of the turn scores; NaN of no turns at all."""
    scores = _checked(s)
    weights = recency_weights(len(scores), recency, minutes, scores, part)
    return weighted_mean(scores if part is None else scores[part], weights)


def weighted_mean(s: FloatArray, r: FloatArray) -> float:
    """Return Σ_t r_t · s_t / Σ_t r_t; NaN of no turns at all."""
    return float(r @ s / r.sum()) if len(s) else math.nan


def running_scores(s: FloatArray, recency: RecencyConfig, minutes: FloatArray | None = None) -> FloatArray:
    """Return, at each turn, the normalised score [T] of the turns so far, as if the conversation ended there."""
    scores = _checked(s)
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


def score_interval(
    s: FloatArray, r: FloatArray, recency: RecencyConfig, config: BootstrapConfig
) -> tuple[float, float] | None:
    """Return the 95 % interval of the normalised score of turns s [T] of recency r [T].

    None below two turns, and for a peak-end score that comes out the same whichever turns are redrawn: its interval
    would be a point, and pass for certainty.
    """
    if recency.kind != "peak-end":
        return bootstrap_interval(s, r, config)
    bounds = peak_end_interval(s, config)
    return None if bounds is None or bounds[0] == bounds[1] else bounds


def bootstrap_interval(s: FloatArray, r: FloatArray, config: BootstrapConfig) -> tuple[float, float] | None:
    """Return the 95 % percentile interval of Σ r_t s_t / Σ r_t by the circular block bootstrap; None below two turns.

    Politis and Romano (1992), "A circular block-resampling procedure for stationary data": neighbouring turns depend
    on each other, so pairs (r_t, s_t) are redrawn in blocks of consecutive turns on a circle, and each resample's score
    is its ratio of sums. A block is about the cube root of the number of turns long, counted as Kish does,
    (Σ r)² / Σ r²: under a short half-life few turns count, and longer blocks would hold them all in one or two.

    It is an approximation: on simulated turns it covers the mean in about nine of ten cases at 200 turns of mild
    correlation (0.3), and in fewer where turns are few or hang together more.
    """
    scores = _checked(s)
    if len(scores) < 2:
        return None
    counts = r > _NEGLIGIBLE * r.max()
    weights, weighted = r[counts], r[counts] * scores[counts]
    blocks = _Blocks(len(weights), effective=float(weights.sum() ** 2 / (weights @ weights)))
    # The same seed draws the same blocks twice, so that r_t · s_t and r_t stay pairs.
    return _percentiles(blocks.resample(weighted, _sum, config) / blocks.resample(weights, _sum, config))


def peak_end_interval(s: FloatArray, config: BootstrapConfig) -> tuple[float, float] | None:
    """Return a 95 % percentile interval of the peak-end score by the circular block bootstrap; None below two turns.

    The end is no sample of anything, so it is held; what came before is redrawn in blocks and the peak sought anew
    among it and the end. The interval says how much the score hangs on its one most intense turn, not how well a mean
    is known. Often one end of it is the score itself, since no resample has a more intense peak than the conversation
    (the bootstrap of an extreme is no more than indicative: Bickel and Freedman 1981).
    """
    scores = _checked(s)
    if len(scores) < 2:
        return None
    last, before = scores[-1], scores[:-1]
    peaks = _Blocks(len(before), effective=len(before)).resample(before, _most_intense, config)
    return _percentiles((np.where(np.abs(peaks) > abs(last), peaks, last) + last) / 2)


class _Blocks:
    """Circular blocks over ``count`` turns: a resample is ``full`` whole blocks and a short one, count turns in all.

    A statistic of every possible block is made once; a resample then gathers no more than count / length of them.
    """

    def __init__(self, count: int, effective: float) -> None:
        self.count = count
        self.length = min(count, max(1, round(effective ** (1 / 3))))
        self.full, self.rest = divmod(count, self.length)

    def resample(self, values: FloatArray, reduce: Reduce, config: BootstrapConfig) -> FloatArray:
        """Return a statistic [resamples] of ``values`` [count]; ``reduce`` makes it of rows, and of such again."""
        whole, short = self._every(values, self.length, reduce), self._every(values, self.rest, reduce)
        generator = np.random.default_rng(config.seed)
        rows = max(1, _CHUNK // (self.full + 1))
        statistics = []
        for done in range(0, config.resamples, rows):
            size = (min(rows, config.resamples - done), self.full + 1)
            starts = generator.integers(0, self.count, size=size)
            drawn = np.concatenate([whole[starts[:, :-1]], short[starts[:, -1:]]], axis=1)
            statistics.append(reduce(drawn))
        return np.concatenate(statistics)

    def _every(self, values: FloatArray, length: int, reduce: Reduce) -> FloatArray:
        """Return the statistic of the block that begins at each turn [count]; of no turns it is 0."""
        if not length:
            return np.zeros(self.count)
        circle = np.concatenate([values, values[: length - 1]])
        return reduce(np.lib.stride_tricks.sliding_window_view(circle, length))


def _sum(rows: FloatArray) -> FloatArray:
    return np.asarray(rows.sum(axis=1))


def _most_intense(rows: FloatArray) -> FloatArray:
    """Return each row's value of largest magnitude, with its sign."""
    backwards = rows[:, ::-1]  # argmax takes the first of equals, and the latest is wanted
    return np.asarray(np.take_along_axis(backwards, np.abs(backwards).argmax(axis=1)[:, None], axis=1)[:, 0])


def _percentiles(values: FloatArray) -> tuple[float, float]:
    low, high = np.quantile(values, _QUANTILES)
    return float(low), float(high)


def _checked(s: FloatArray) -> FloatArray:
    if not np.isfinite(s).all():
        raise UsageError(NOT_A_NUMBER)
    return s


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
