from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from clip_emotion.evaluation.bootstrap import (
    CircularBlocks,
    Resampling,
    draws_interval,
    group_interval,
    percentile_interval,
    row_draws,
    share_interval,
)


def test_the_interval_of_a_share_agrees_with_drawing_rows() -> None:
    hits = np.random.default_rng(1).random(300) < 0.7
    low, high = share_interval(hits, Resampling(10_000, seed=4))
    drawn = hits[np.random.default_rng(2).integers(0, 300, size=(10_000, 300))].mean(axis=1)
    assert (low, high) == pytest.approx(tuple(np.percentile(drawn, (2.5, 97.5))), abs=0.01)
    assert low < hits.mean() < high
    assert share_interval(hits, Resampling(10_000, seed=4)) == (low, high)


def test_the_interval_of_a_share_has_a_width_where_all_or_none_are_hits() -> None:
    z = stats.norm.ppf(0.975)
    for rows in (1, 4, 50):
        below = rows / (rows + z**2)  # Wilson's bound of all hits
        assert share_interval(np.ones(rows, dtype=bool), Resampling()) == pytest.approx((below, 1.0))
        assert share_interval(np.zeros(rows, dtype=bool), Resampling()) == pytest.approx((0.0, 1 - below))


def test_the_interval_of_rows_agrees_with_scipys() -> None:
    values = np.random.default_rng(3).normal(size=80)
    theirs = stats.bootstrap(
        (values,), np.mean, method="percentile", n_resamples=4000, random_state=0
    ).confidence_interval
    resampling = Resampling(4000, seed=1)
    ours = draws_interval(lambda rows: float(values[rows].mean()), row_draws(len(values), resampling))
    single = group_interval(lambda rows: float(values[rows].mean()), np.arange(80), resampling)
    assert ours == pytest.approx((theirs.low, theirs.high), abs=0.03)
    assert single == pytest.approx((theirs.low, theirs.high), abs=0.03)


def test_a_group_is_drawn_whole() -> None:
    groups = np.array([0, 1, 0, 2, 1])
    seen: list[list[int]] = []

    def measure(rows: np.ndarray) -> float:
        seen.append(rows.tolist())
        return float(len(rows))

    group_interval(measure, groups, Resampling(50, seed=0))
    assert all(rows.count(0) == rows.count(2) and rows.count(1) == rows.count(4) for rows in seen)
    assert any(len(rows) != 5 for rows in seen)


def test_statistics_without_a_value_are_left_out_of_the_interval() -> None:
    assert percentile_interval(np.array([np.nan, 1.0, 1.0])) == (1.0, 1.0)
    assert np.isnan(percentile_interval(np.array([np.nan, np.nan]))).all()


@pytest.mark.parametrize(("count", "effective"), [(1, 1.0), (7, 27.0), (30, 8.0), (31, 27.0)])
def test_resampled_blocks_have_as_many_rows_as_the_series(count: int, effective: float) -> None:
    blocks = CircularBlocks(count, effective)
    sums = blocks.resample(np.ones(count), lambda rows: rows.sum(axis=1), Resampling(200, seed=5))
    assert sums.tolist() == [count] * 200


def test_blocks_hold_neighbours_on_a_circle() -> None:
    blocks = CircularBlocks(8, 8.0)
    assert blocks.length == 2
    starts = blocks.resample(np.arange(8.0), lambda rows: rows[:, :1].max(axis=1), Resampling(300, seed=6))
    assert set(starts.tolist()) <= set(range(8))
