"""Cohen's kappa against scikit-learn, and intervals that redraw whole images."""

from __future__ import annotations

import math
import warnings

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import cohen_kappa_score

from clip_emotion.evaluation.agreement import agreement
from clip_emotion.evaluation.bootstrap import Resampling

FEW = Resampling(50)
WORDS = st.lists(st.tuples(st.sampled_from("abcd"), st.sampled_from("abcd")), min_size=1, max_size=30)


def scikit(first: list[str], second: list[str]) -> float:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return float(cohen_kappa_score(first, second))


def same(ours: float, theirs: float) -> bool:
    return (math.isnan(ours) and math.isnan(theirs)) or ours == pytest.approx(theirs, abs=1e-12)


@given(WORDS)
def test_kappa_is_scikit_learns_overall_and_for_each_word(rows: list[tuple[str, str]]) -> None:
    first, second = map(list, zip(*rows, strict=True))
    found = agreement(first, second, resampling=Resampling(2))
    assert same(found.overall.kappa, scikit(first, second))
    assert found.overall.agreed == pytest.approx(np.mean([one == other for one, other in rows]))
    assert {one.word for one in found.words} == {*first, *second}
    for one in found.words:
        binary = [[str(word == one.word) for word in side] for side in (first, second)]
        assert same(one.kappa.kappa, scikit(*binary))
        assert (one.first, one.second) == (first.count(one.word), second.count(one.word))


def test_the_interval_holds_kappa_and_is_that_of_resampled_rows() -> None:
    generator = np.random.default_rng(1)
    first = generator.choice(list("abc"), 200)
    second = np.where(generator.random(200) < 0.7, first, generator.choice(list("abc"), 200))
    found = agreement(first.tolist(), second.tolist(), resampling=Resampling(300, 3))
    draws = np.random.default_rng(3)
    kappas = [
        scikit(first[rows].tolist(), second[rows].tolist())
        for rows in (draws.integers(0, 200, 200) for _ in range(300))
    ]
    low, high = np.quantile(kappas, [0.025, 0.975])
    assert (found.overall.low, found.overall.high) == pytest.approx((low, high), abs=1e-9)
    assert found.overall.low < found.overall.kappa < found.overall.high


def test_faces_of_one_image_are_redrawn_together() -> None:
    words = (["a", "b"] * 40, ["a", "a"] * 40)
    alone = agreement(*words, resampling=FEW)
    together = agreement(*words, groups=[str(at // 2) for at in range(80)], resampling=FEW)
    assert together.overall.low == together.overall.high == alone.overall.kappa
    assert agreement(*words, groups=["one"] * 80, resampling=FEW).overall.low == alone.overall.kappa


def test_what_cannot_be_measured_is_none_and_no_rows_are_refused() -> None:
    one = agreement(["a", "a"], ["a", "a"], resampling=FEW).to_dict()["overall"]
    assert one == {"kappa": None, "low": None, "high": None, "agreed": 1.0, "rows": 2}
    with pytest.raises(ValueError, match="no rows"):
        agreement([], [])
