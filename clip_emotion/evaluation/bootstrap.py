"""Bootstrap intervals: by independent rows, by whole groups, and by blocks of neighbouring rows."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np

from clip_emotion.arrays import BoolArray, FloatArray, FloatingArray, IntArray
from clip_emotion.evaluation.shares import Share

QUANTILES = (0.025, 0.975)
"""The bounds of a 95 % percentile interval."""
_CHUNK = 1_000_000
"""Block starts drawn at a time, which bounds the memory at some tens of MiB however long the series."""

Measure = Callable[[IntArray], float]
Reduce = Callable[[FloatArray], FloatArray]


@dataclass(frozen=True, slots=True)
class Resampling:
    """How often rows are redrawn, and from which seed; equal seeds draw equal rows, so that intervals compare."""

    resamples: int = 1000
    seed: int = 0


def percentile_interval(values: FloatingArray) -> tuple[float, float]:
    """Return the 95 % percentile interval of resampled statistics; NaNs are left out, and of NaNs alone it is NaN.

    Efron and Tibshirani, "An introduction to the bootstrap" (1993), chapter 13.
    """
    known = values[~np.isnan(values)]
    if not len(known):
        return float("nan"), float("nan")
    low, high = np.quantile(known, QUANTILES)
    return float(low), float(high)


def share_interval(hits: BoolArray, resampling: Resampling) -> tuple[float, float]:
    """Return the 95 % percentile interval of the mean of ``hits`` [N].

    Drawing N rows with replacement makes the number of hits binomial(N, mean), so that the resampled counts are drawn
    from it at once: the same distribution, whatever the order of the rows. Where all or none are hits every resample is
    the same, and Wilson's interval stands for one of no width.
    """
    if hits.all() or not hits.any():
        return Share(int(hits.sum()), len(hits)).interval
    generator = np.random.default_rng(resampling.seed)
    counts = generator.binomial(len(hits), hits.mean(), size=resampling.resamples)
    return percentile_interval(counts / len(hits))


def row_draws(count: int, resampling: Resampling) -> IntArray:
    """Return the rows of each resample of ``count`` independent rows, [resamples, count], drawn with replacement."""
    generator = np.random.default_rng(resampling.seed)
    return generator.integers(0, count, size=(resampling.resamples, count))


def draws_interval(measure: Measure, draws: Iterable[IntArray]) -> tuple[float, float]:
    """Return the 95 % percentile interval of a statistic of rows over given draws of rows."""
    return percentile_interval(np.array([measure(rows) for rows in draws], dtype=np.float64))


def group_interval(measure: Measure, groups: IntArray, resampling: Resampling) -> tuple[float, float]:
    """Return the 95 % percentile interval of a statistic of rows when whole groups are redrawn with replacement.

    ``groups`` [N] says to which group each row belongs. Rows of one group depend on each other, so that redrawing
    single rows would make the interval too narrow (Cameron, Gelbach and Miller, 2008). NaN where no resample has a
    value.
    """
    order = np.argsort(groups, kind="stable")
    members = np.split(order, np.flatnonzero(np.diff(groups[order])) + 1)
    single = len(members) == len(order)
    generator = np.random.default_rng(resampling.seed)
    found = np.empty(resampling.resamples)
    for at in range(resampling.resamples):
        drawn = generator.integers(0, len(members), len(members))
        rows = order[drawn] if single else np.concatenate([members[group] for group in drawn])
        found[at] = measure(rows)
    return percentile_interval(found)


class CircularBlocks:
    """Circular blocks over ``count`` rows in order: a resample is whole blocks and a short one, count rows in all.

    Politis and Romano (1992), "A circular block-resampling procedure for stationary data". A block is about the cube
    root of ``effective`` rows long. A statistic of every possible block is made once; a resample then gathers no more
    than count / length of them.
    """

    def __init__(self, count: int, effective: float) -> None:
        self.count = count
        self.length = min(count, max(1, round(effective ** (1 / 3))))
        self.full, self.rest = divmod(count, self.length)

    def resample(self, values: FloatArray, reduce: Reduce, resampling: Resampling) -> FloatArray:
        """Return a statistic [resamples] of ``values`` [count]; ``reduce`` makes it of rows, and of such again."""
        whole, short = self._every(values, self.length, reduce), self._every(values, self.rest, reduce)
        generator = np.random.default_rng(resampling.seed)
        rows = max(1, _CHUNK // (self.full + 1))
        statistics = []
        for done in range(0, resampling.resamples, rows):
            size = (min(rows, resampling.resamples - done), self.full + 1)
            starts = generator.integers(0, self.count, size=size)
            drawn = np.concatenate([whole[starts[:, :-1]], short[starts[:, -1:]]], axis=1)
            statistics.append(reduce(drawn))
        return np.concatenate(statistics)

    def _every(self, values: FloatArray, length: int, reduce: Reduce) -> FloatArray:
        """Return the statistic of the block that begins at each row [count]; of no rows it is 0."""
        if not length:
            return np.zeros(self.count)
        circle = np.concatenate([values, values[: length - 1]])
        return reduce(np.lib.stride_tricks.sliding_window_view(circle, length))
