"""The shares of towers in the mean of their weights; without torch, since configurations are read without it."""

from __future__ import annotations

from collections.abc import Sequence


def mean_shares(weights: Sequence[float], towers: int) -> tuple[float, ...]:
    """Return the towers' shares in a mean, whose sum is 1: equal ones for no weights.

    Raises ValueError where there are more or fewer weights than towers.
    """
    if weights and len(weights) != towers:
        raise ValueError(f"mean_weights has {len(weights)} weight(s) for {towers} tower(s)")
    given = weights or (1.0,) * towers
    return tuple(weight / sum(given) for weight in given)
