"""Folds spread every class evenly."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from clip_emotion.evaluation.folds import stratified_folds


@given(st.lists(st.integers(0, 4), min_size=2, max_size=60), st.integers(2, 6), st.integers(0, 9))
def test_each_class_and_the_whole_are_dealt_out_evenly(targets: list[int], folds: int, seed: int) -> None:
    found = stratified_folds(np.array(targets), folds, seed)
    count = max(2, min(folds, max(np.bincount(targets))))
    for rows in (np.ones(len(targets), dtype=bool), *(np.array(targets) == one for one in set(targets))):
        sizes = np.bincount(found[rows], minlength=count)
        assert len(sizes) == count
        assert sizes.max() - sizes.min() <= 1


def test_the_seed_draws() -> None:
    targets = np.repeat([0, 1], 20)
    assert (stratified_folds(targets, 5, 1) == stratified_folds(targets, 5, 1)).all()
    assert (stratified_folds(targets, 5, 1) != stratified_folds(targets, 5, 2)).any()
