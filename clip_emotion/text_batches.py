"""Texts of like length share a batch, so that little is computed on padding."""

from __future__ import annotations

from collections.abc import Sequence


def length_batches(lengths: Sequence[int], size: int) -> list[list[int]]:
    """Return the row numbers of N texts in batches of at most ``size`` rows, shortest texts first.

    ``lengths`` [N] counts characters or tokens. Rows of equal length stay in order; every row stands in one batch.
    """
    order = sorted(range(len(lengths)), key=lengths.__getitem__)
    return [order[start : start + size] for start in range(0, len(order), size)]
