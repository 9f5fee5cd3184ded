"""Mood shifts: the turns at which the mean turn score of a conversation changes."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from ruptures import KernelCPD

from scoring.config import ShiftConfig
from scoring.conversation import Turn
from scoring.result import Shift

FloatArray = NDArray[np.float64]

# The search is quadratic in the turns of a conversation without shifts, so a longer one is searched in groups of
# neighbouring turns, and each shift is then placed to the turn.
MOST_POINTS = 4096
# The median absolute deviation of a normal variable, in standard deviations.
_MAD = 0.6744897501960817
# Differences of turn scores below this are rounding.
_ROUNDING = 1e-9
# In shorter conversations correlation cannot be told from chance, and allowing for it would hide true shifts.
_TELLING = 100
_MOVERS = 3


def mood_shifts(scores: FloatArray, turns: Sequence[Turn], config: ShiftConfig) -> tuple[Shift, ...]:
    """Return the mood shifts in the turn scores [T], in order; ``turns`` are the T scored turns they belong to.

    ``before`` and ``after`` are the mean scores of the stretches on both sides, as far as the neighbouring shifts.
    """
    points = change_points(scores, config)
    edges = [0, *points, len(scores)]
    return tuple(_shift(scores, turns, edges[at - 1 : at + 2]) for at in range(1, len(edges) - 1))


def change_points(scores: FloatArray, config: ShiftConfig) -> list[int]:
    """Return the positions (from 0) in the turn scores [T] at which a stretch with another mean begins.

    They minimise Σ_segments Σ_t (s_t - mean)² + penalty · σ² · log T per change point, over segments of at least
    ``minimum`` turns: optimal partitioning by PELT (Killick, Fearnhead and Eckley 2012) through
    ``ruptures.KernelCPD``. σ² is the noise variance of ``noise_variance``. Beyond 4096 turns groups of neighbouring
    turns are searched first, so that a stretch shorter than two groups may go unseen there.
    """
    count = len(scores)
    variance = noise_variance(scores)
    if count < 2 * config.minimum or variance == 0:
        return []
    size = -(-count // MOST_POINTS)
    bounds = np.arange(0, count, size)
    means = np.add.reduceat(scores, bounds) / np.diff(bounds, append=count)
    # A group's sum of squares counts its mean ``size`` times over.
    penalty = config.penalty * variance * math.log(count) / size
    points = [size * point for point in _search(means, max(2, -(-config.minimum // size)), penalty)]
    return points if size == 1 else _placed(scores, points, size, config.minimum)


def noise_variance(scores: FloatArray) -> float:
    """Return the variance σ² of turn scores [T] about their local mean, which a shift of that mean does not inflate.

    A difference of neighbours has twice the variance of one turn, and a shift touches only one difference: so σ is the
    median absolute difference over 0.6745 · √2. Where most neighbours are equal that is 0, and half the mean square of
    the differences stands in. It is 0 of equal scores alone.

    Turns that follow their neighbours' mood wander, and wandering is no shift. From 100 turns on, σ² is therefore the
    long-run variance of a first-order autoregression, σ² (1 + ρ) / (1 - ρ)². Its ρ is likewise one that shifts do not
    inflate: Chakar, Lebarbier, Lévy-Leduc and Robin (2017), "A robust approach for estimating change-points in the
    mean of an AR(1) process", less what chance alone gives.
    """
    steps = np.abs(np.diff(scores))
    if not (steps > _ROUNDING).any():
        return 0.0
    middle = float(np.median(steps))
    if middle <= _ROUNDING:
        return float(np.mean(steps**2)) / 2
    rho = _dependence(scores, middle) if len(scores) >= _TELLING else 0.0
    return (middle / _MAD) ** 2 / 2 * (1 + rho) / (1 - rho) ** 2


def _dependence(scores: FloatArray, middle: float) -> float:
    """Return how far neighbouring turns are correlated beyond chance, in [0, 0.8].

    Differences over two turns have 1 + ρ times the variance of differences over one.
    """
    over_two = float(np.median(np.abs(scores[2:] - scores[:-2])))
    rho = (over_two / middle) ** 2 - 1 - 2 / math.sqrt(len(scores))
    return min(max(rho, 0.0), 0.8)


def _search(means: FloatArray, minimum: int, penalty: float) -> list[int]:
    if len(means) < 2 * minimum:
        return []
    found = KernelCPD(kernel="linear", min_size=minimum).fit(means.reshape(-1, 1)).predict(pen=penalty)
    return [int(point) for point in found[:-1]]


def _placed(scores: FloatArray, points: list[int], size: int, minimum: int) -> list[int]:
    """Move each point, within a group's length, to where its two neighbouring segments are tightest."""
    sums = np.concatenate([[0.0], np.cumsum(scores)])
    edges = [0, *points, len(scores)]
    for at in range(1, len(edges) - 1):
        first, point, last = edges[at - 1 : at + 2]
        low, high = max(point - size, first + minimum), min(point + size, last - minimum)
        if low > high:
            continue
        places = np.arange(low, high + 1)
        # Least squares about two means is most between them: Σ of n · mean² over both.
        left = (sums[places] - sums[first]) ** 2 / (places - first)
        right = (sums[last] - sums[places]) ** 2 / (last - places)
        edges[at] = int(places[np.argmax(left + right)])
    return edges[1:-1]


def _shift(scores: FloatArray, turns: Sequence[Turn], edges: list[int]) -> Shift:
    start, point, end = edges
    before, after = float(scores[start:point].mean()), float(scores[point:end].mean())
    moved = (scores[point:end] - before) * math.copysign(1.0, after - before)
    strongest = point + np.argsort(-moved, kind="stable")[:_MOVERS]
    behind = tuple(turns[at].index for at in strongest.tolist() if moved[at - point] > 0)
    return Shift(index=turns[point].index, before=before, after=after, turns=behind, time=turns[point].time)
