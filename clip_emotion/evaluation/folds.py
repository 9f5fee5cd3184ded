"""Folds for cross-validation: every class spread evenly over them, whatever its size."""

from __future__ import annotations

import numpy as np

from clip_emotion.arrays import IntArray, IntegerArray


def stratified_folds(targets: IntegerArray, folds: int, seed: int = 0) -> IntArray:
    """Return each row's fold [N], from 0, with each class dealt out in a drawn order.

    There are at most ``folds`` of them, and no more than the largest class has rows. Classes with a single row are
    dealt out too: their row is then judged without any of its kind.
    """
    draw = np.random.default_rng(seed)
    targets = np.asarray(targets)
    count = max(2, min(folds, int(np.bincount(targets).max()))) if len(targets) else 1
    found: IntArray = np.zeros(len(targets), dtype=np.intp)
    dealt = 0
    for target in np.unique(targets):
        rows = draw.permutation(np.flatnonzero(targets == target))
        # The next class goes on where the last one ended, so that folds are of one size.
        found[rows] = (dealt + np.arange(len(rows))) % count
        dealt += len(rows)
    return found
