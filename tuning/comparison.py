"""Is the winner better than the base configuration, or was it luck? Both run with several seeds."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from scipy import stats

LEVEL = 0.95


@dataclass(frozen=True)
class Interval:
    """An estimate with its 95 % confidence interval."""

    mean: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.mean:.4f} [{self.low:.4f}, {self.high:.4f}]"


@dataclass(frozen=True)
class Comparison:
    """The metric of the default and of the winner, a value per seed, their intervals and that of the difference."""

    default_values: tuple[float, ...]
    best_values: tuple[float, ...]
    default: Interval
    best: Interval
    difference: Interval
    sign: int

    @property
    def better(self) -> bool:
        """Tell whether the winner's gain is above the noise."""
        return self.difference.low > 0 if self.sign > 0 else self.difference.high < 0

    @property
    def worse(self) -> bool:
        """Tell whether the winner is worse, by more than the noise."""
        return self.difference.high < 0 if self.sign > 0 else self.difference.low > 0

    @property
    def verdict(self) -> str:
        """Say in one sentence what the runs show."""
        d = self.difference
        shown = f"{d.mean:+.4f} (95 % interval {d.low:+.4f} to {d.high:+.4f})"
        runs = f"{len(self.best_values)} runs against {len(self.default_values)}"
        if self.better:
            return f"The winner is better than the default: its gain of {shown} is outside the noise of {runs}."
        if self.worse:
            return f"The winner is worse than the default: {shown} in {runs}; keep the default."
        return (
            f"The winner's difference of {shown} is inside the noise of {runs}: nothing shows that it is better than "
            "the default."
        )


def interval(values: Sequence[float]) -> Interval:
    """Return the mean of at least two values with Student's interval, mean ± t · s / √n."""
    return _interval(stats.ttest_1samp, float(np.mean(values)), values, 0.0)


def welch(one: Sequence[float], other: Sequence[float]) -> Interval:
    """Return the difference of means ``one - other`` with Welch's interval, for unequal variances (1947).

    At least two values each. The degrees of freedom are those of Welch and Satterthwaite.
    """
    test = partial(stats.ttest_ind, equal_var=False)
    return _interval(test, float(np.mean(one) - np.mean(other)), one, other)


def _interval(test: Callable[..., Any], mean: float, *samples: Any) -> Interval:
    with warnings.catch_warnings():
        # Runs that end alike are no fault here: without any noise the interval is the mean itself.
        warnings.simplefilter("ignore", RuntimeWarning)
        found = test(*samples).confidence_interval(LEVEL)
    low, high = (mean if math.isnan(bound) else float(bound) for bound in (found.low, found.high))
    return Interval(mean, low, high)


def compare(default: Sequence[float], best: Sequence[float], sign: int) -> Comparison | None:
    """Compare the metric of several runs each; None where either has fewer than two."""
    if min(len(default), len(best)) < 2:
        return None
    difference = welch(best, default)
    return Comparison(tuple(default), tuple(best), interval(default), interval(best), difference, sign)
