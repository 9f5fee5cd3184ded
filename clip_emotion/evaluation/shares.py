"""Intervals of shares of independent rows that hold for small numbers and for shares of 0 and 1 too."""

from __future__ import annotations

import math
from dataclasses import dataclass

from clip_emotion.errors import UsageError

Interval = tuple[float, float]


@dataclass(frozen=True, slots=True)
class Share:
    """So many hits of so many rows; raises UsageError for a number that cannot be."""

    hits: int
    rows: int

    def __post_init__(self) -> None:
        if not 0 <= self.hits <= self.rows or not self.rows:
            raise UsageError(f"{self.hits} of {self.rows} is no share: give hits of at least one row.")

    @property
    def value(self) -> float:
        """The share in [0, 1]."""
        return self.hits / self.rows

    @property
    def interval(self) -> Interval:
        """Wilson's 95 % interval (1927), which is not of no width where all or none are hits."""
        from scipy.stats import binomtest

        low, high = binomtest(self.hits, self.rows).proportion_ci(method="wilson")
        return float(low), float(high)


def difference_interval(one: Share, other: Share) -> Interval:
    """Return the 95 % interval of ``one.value - other.value`` for independent rows, from Wilson's of each.

    Newcombe, "Interval estimation for the difference between independent proportions" (1998), method 10.
    """
    (low, high), (other_low, other_high) = one.interval, other.interval
    value = one.value - other.value
    below = math.hypot(one.value - low, other_high - other.value)
    above = math.hypot(high - one.value, other.value - other_low)
    return value - below, value + above
