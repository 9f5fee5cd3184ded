"""The arithmetic of a search: proposals, halving, intervals and importance, against independent references."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from tests.support.tune_with_fake import height, search
from tuning.comparison import Interval, compare, interval, welch
from tuning.config import SchedulerConfig, SearchConfig
from tuning.halving import is_left_behind, rungs
from tuning.importance import importance
from tuning.journal import History, TrialRecord
from tuning.searchers import propose

numbers = st.lists(st.floats(-10, 10), min_size=2, max_size=6)


def tried(number: int, values: Mapping[str, Any], value: float | None, status: Any = "done") -> TrialRecord:
    return TrialRecord(f"{number:04}", dict(values), {}, status, value=value)


def searched(config: SearchConfig, count: int) -> list[TrialRecord]:
    records: list[TrialRecord] = []
    for number in range(1, count + 1):
        values = propose(config, number, records)
        records.append(tried(number, values, height(values)))
    return records


def test_random_proposals_follow_from_seed_and_number_alone(tmp_path: Path) -> None:
    config = search(tmp_path)
    records = searched(config, 5)
    assert [propose(config, int(record.name), []) for record in records] == [record.values for record in records]
    assert propose(search(tmp_path, seed=1), 1, []) != records[0].values
    assert len({json.dumps(record.values) for record in records}) == 5


def test_tpe_proposals_follow_from_the_trials_so_far(tmp_path: Path) -> None:
    config = search(tmp_path, searcher={"kind": "tpe", "startup": 4})
    records = searched(config, 12)
    at_random = searched(search(tmp_path), 12)
    assert [record.values for record in records[:4]] == [record.values for record in at_random[:4]]
    assert records[5].values != at_random[5].values
    for at in (6, 11):
        assert propose(config, at + 1, records[:at]) == records[at].values
        assert all(type(records[at].values[key]) is type(records[0].values[key]) for key in config.space)


def test_tpe_ends_higher_than_random_search(tmp_path: Path) -> None:
    ends = {}
    for kind in ("random", "tpe"):
        configs = [search(tmp_path, searcher={"kind": kind, "startup": 8}, seed=seed) for seed in range(5)]
        ends[kind] = np.mean([np.mean([record.value for record in searched(config, 30)[20:]]) for config in configs])
    assert ends["tpe"] > ends["random"] + 0.1


def test_tpe_minimises_too_and_takes_running_and_failed_trials(tmp_path: Path) -> None:
    config = search(tmp_path, mode="min", searcher={"kind": "tpe", "startup": 4})
    records = [tried(int(one.name), one.values, 1 - (one.value or 0)) for one in searched(search(tmp_path), 20)]
    records.append(tried(21, records[0].values, None, "running"))
    records.append(tried(22, records[1].values, None, "failed"))
    losses = [1 - height(propose(config, number, records)) for number in range(23, 33)]
    assert np.mean(losses) < np.mean([record.value for record in records[:20] if record.value is not None]) - 0.1


def test_rungs_grow_by_the_reduction() -> None:
    assert rungs(SchedulerConfig(kind="asha", grace=2, reduction=3), 60) == [2, 6, 18, 54]


def line(*values: float) -> History:
    return tuple((100 * (at + 1), value) for at, value in enumerate(values))


@given(st.lists(st.floats(0, 1), max_size=9), st.floats(0, 1), st.sampled_from([2, 3, 4]), st.sampled_from([1, -1]))
def test_halving_agrees_with_rays(others: list[float], value: float, reduction: int, sign: int) -> None:
    bracket = pytest.importorskip("ray.tune.schedulers.async_hyperband")._Bracket(1, 81, reduction, 0)
    for number, other in enumerate(others):
        bracket.on_result(type("T", (), {"trial_id": str(number)}), 1, sign * other)
    theirs = bracket.on_result(type("T", (), {"trial_id": "new"}), 1, sign * value)
    config = SchedulerConfig(kind="asha", grace=1, reduction=reduction)
    assert is_left_behind(line(value), [line(other) for other in others], config, sign) == (theirs == "STOP")


def test_halving_compares_at_rungs_only_and_there_with_those_that_came_so_far() -> None:
    config = SchedulerConfig(kind="asha", grace=1, reduction=3)
    others = [line(0.9), line(0.5, 0.6, 0.8), line(0.4, 0.5, 0.7)]
    assert not is_left_behind(line(0.95, 0.1), others, config, 1)
    assert is_left_behind(line(0.95, 0.96, 0.75), others, config, 1)
    assert not is_left_behind(line(0.95, 0.96, 0.77), others, config, 1)
    assert not is_left_behind(line(0.1), [], config, 1)
    assert not is_left_behind(line(0.1), others, SchedulerConfig(kind="none"), 1)


@given(numbers, numbers)
def test_the_difference_has_welchs_interval(one: list[float], other: list[float]) -> None:
    if min(np.std(one), np.std(other)) < 1e-6:
        return
    parts = [np.var(values, ddof=1) / len(values) for values in (one, other)]
    freedom = sum(parts) ** 2 / sum(p**2 / (len(v) - 1) for p, v in zip(parts, (one, other), strict=True))
    reach = stats.t.ppf(0.975, freedom) * sum(parts) ** 0.5
    ours = welch(one, other)
    assert (ours.low, ours.high) == pytest.approx((ours.mean - reach, ours.mean + reach))
    assert ours.mean == pytest.approx(np.mean(one) - np.mean(other))


@pytest.mark.filterwarnings("error")
def test_runs_that_end_alike_have_no_noise() -> None:
    assert welch([0.5, 0.5], [0.25, 0.25, 0.25]) == Interval(0.25, 0.25, 0.25)
    assert interval([0.5, 0.5]) == Interval(0.5, 0.5, 0.5)


def test_an_interval_by_hand() -> None:
    # Mean 2, standard deviation 1, standard error 1/√3, t(0.975; 2) = 4.3027.
    found = interval([1, 2, 3])
    assert (found.mean, found.low, found.high) == pytest.approx((2, 2 - 2.48414, 2 + 2.48414), abs=1e-4)


@pytest.mark.parametrize(
    ("default", "best", "sign", "words"),
    [
        ([0.5, 0.51, 0.49], [0.6, 0.61, 0.59], 1, "outside the noise"),
        ([0.5, 0.51, 0.49], [0.505, 0.52, 0.49], 1, "inside the noise"),
        ([0.5, 0.51, 0.49], [0.4, 0.41, 0.39], 1, "worse"),
        ([0.5, 0.51, 0.49], [0.4, 0.41, 0.39], -1, "outside the noise"),
        ([0.5, 0.5], [0.6, 0.6], 1, "outside the noise"),
        ([0.5, 0.5], [0.5, 0.5], 1, "inside the noise"),
    ],
)
def test_the_verdict_is_in_words(default: list[float], best: list[float], sign: int, words: str) -> None:
    found = compare(default, best, sign)
    assert found is not None
    assert words in found.verdict


def test_one_run_each_shows_nothing() -> None:
    assert compare([0.5], [0.6, 0.7], 1) is None


def test_importance_is_each_axiss_share_of_the_variance(tmp_path: Path) -> None:
    config = search(tmp_path)
    records = [tried(number, values := propose(config, number, []), height(values)) for number in range(1, 201)]
    # The variance of each term of the hill, on its own, over the axis's distribution.
    axes = {"fit.learning_rate": np.linspace(-3, 1, 4001) ** 2 * 0.2, "sampler.kind": np.array([0, 0.1])}
    axes["model.depth"] = 0.1 * (np.arange(5) - 3) ** 2 / 9
    total = sum(terms.var() for terms in axes.values())
    found = importance(config, records)
    assert found == pytest.approx({key: terms.var() / total for key, terms in axes.items()}, abs=0.02)
    assert sum(found.values()) == pytest.approx(1)
    assert list(found.values()) == sorted(found.values(), reverse=True)


def test_importance_says_nothing_of_too_little(tmp_path: Path) -> None:
    config = search(tmp_path)
    records = searched(config, 5)
    assert importance(config, records)
    assert importance(config, records[:3]) == {}
    assert importance(config, [tried(number, records[0].values, 0.5) for number in range(9)]) == {}
