"""What can be said of expressions over time: how much they change, steady and varying stretches. Pure arithmetic."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
MOMENTS = 3


@dataclass(frozen=True)
class Moment:
    """A stretch of frames, both ends included, and the mean change from each of its frames to the next."""

    first: int
    last: int
    change: float


def changes(shares: Array) -> Array:
    """Return how far each frame's shares [N, W] are from the one's before: total variation [N - 1], from 0 to 1."""
    if len(shares) < 2:
        return np.zeros(0)
    return np.asarray(0.5 * np.abs(np.diff(shares, axis=0)).sum(axis=1), dtype=np.float64)


def width_of(frames: int) -> int:
    """Return how many frames a moment has: a quarter of all, from 2 to 5."""
    return max(2, min(5, frames // 4))


def moments(shares: Array, *, steadiest: bool, count: int = MOMENTS) -> list[Moment]:
    """Return the steadiest or the most varying stretches, the clearest first.

    None share a frame, and each changes less, or more, than the whole does on average.
    """
    width = width_of(len(shares))
    if len(shares) < width:
        return []
    change = changes(shares)
    means = np.convolve(change, np.full(width - 1, 1 / (width - 1)), "valid")
    order = np.argsort(means if steadiest else -means, kind="stable")
    found: list[Moment] = []
    for first in map(int, order):
        apart = means[first] <= change.mean() if steadiest else means[first] >= change.mean()
        if apart and all(first > one.last or first + width - 1 < one.first for one in found):
            found.append(Moment(first, first + width - 1, float(means[first])))
        if len(found) == count:
            break
    return found


@dataclass(frozen=True)
class Part:
    """A question: its frames from ``begin`` up to ``end``, without it; mean shares [W] and mean change, if any."""

    title: str
    begin: int
    end: int
    shares: Array | None
    change: float | None


def parts(shares: Array, seen: Sequence[bool], begins: Sequence[tuple[int, str]]) -> list[Part]:
    """Return the questions that begin at these frames; frames without a face count in none of their figures."""
    known = np.asarray(seen, dtype=bool)
    starts = [begin for begin, _ in begins]
    found = []
    for (begin, title), end in zip(begins, [*starts[1:], len(known)], strict=True):
        own = shares[begin:end][known[begin:end]]
        change = changes(own)
        mean = own.mean(axis=0) if len(own) else None
        found.append(Part(title, begin, end, mean, float(change.mean()) if len(change) else None))
    return found
