"""Asynchronous successive halving as a pure rule, for the engine without Ray."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from tuning.config import SchedulerConfig
from tuning.journal import History


def rungs(config: SchedulerConfig, count: int) -> list[int]:
    """Return the numbers of validations, up to ``count``, at which trials are compared."""
    found, rung = [], config.grace
    while rung <= count:
        found.append(rung)
        rung *= config.reduction
    return found


def is_left_behind(history: History, others: Iterable[History], config: SchedulerConfig, sign: int) -> bool:
    """Tell whether a trial that has just validated is to stop (ASHA, 1810.05934, in its stopping form).

    At a rung it must reach the (1 - 1 / reduction) quantile of those that were there before; the first one passes.
    """
    if config.kind == "none" or len(history) not in rungs(config, len(history)):
        return False
    at = len(history) - 1
    seen = [sign * other[at][1] for other in others if len(other) > at]
    return bool(seen) and sign * history[at][1] < float(np.quantile(seen, 1 - 1 / config.reduction))
