"""Metrics by group: bands and names, each group against an independent computation, and the gaps."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import accuracy_score, f1_score, recall_score

from clip_emotion.errors import UsageError
from clip_emotion.evaluation.bootstrap import Resampling
from clip_emotion.evaluation.groups import GroupBy, group_metrics, resampled_rates
from clip_emotion.evaluation.shares import Share, difference_interval

LABELS = ("angry", "happy", "sad")


def made(count: int = 240) -> tuple[np.ndarray, np.ndarray, list[str]]:
    generator = np.random.default_rng(3)
    targets = generator.integers(0, 3, count)
    cells = ["kind" if at % 3 else "cruel" for at in range(count)]
    probabilities = generator.dirichlet(np.ones(3), count)
    # The kind are read well, the cruel at random.
    for row in range(count):
        if cells[row] == "kind":
            probabilities[row] = 0.1
            probabilities[row, targets[row]] = 0.8
    return probabilities, targets, cells


def test_each_group_is_measured_by_itself() -> None:
    probabilities, targets, cells = made()
    cells[5] = "NA"
    found = group_metrics(probabilities, targets, LABELS, GroupBy("mood"), cells, Resampling(200, 1))
    assert [group.name for group in found.groups] == ["cruel", "kind"]
    assert found.unknown == 1
    for group in found.groups:
        rows = [at for at, cell in enumerate(cells) if cell == group.name]
        answers = probabilities[rows].argmax(axis=1)
        assert group.metrics.n == len(rows)
        assert group.metrics.accuracy == pytest.approx(accuracy_score(targets[rows], answers))
        assert group.metrics.macro_recall == pytest.approx(recall_score(targets[rows], answers, average="macro"))
        for name, (low, high) in group.intervals.items():
            assert low <= getattr(group.metrics, name) <= high
    gap = {one.metric: one for one in found.gaps}["accuracy"]
    assert (gap.best, gap.worst) == ("kind", "cruel")
    assert gap.value == pytest.approx(found.groups[1].metrics.accuracy - found.groups[0].metrics.accuracy)
    assert 0.4 < gap.interval[0] <= gap.value <= gap.interval[1]


def test_recall_of_each_class_in_each_group() -> None:
    targets = np.array([0, 0, 0, 0, 1, 1, 0, 0, 2])
    answers = np.array([0, 0, 1, 1, 1, 1, 0, 0, 2])
    cells = ["a"] * 6 + ["b"] * 3
    found = group_metrics(np.eye(3)[answers], targets, LABELS, GroupBy("who"), cells, Resampling(50, 1))
    assert {group.name: group.recalls for group in found.groups} == {
        "a": {"angry": Share(2, 4), "happy": Share(2, 2)},
        "b": {"angry": Share(2, 2), "sad": Share(1, 1)},
    }
    # Only both groups have rows of angry.
    (gap,) = found.recall_gaps
    assert (gap.metric, gap.best, gap.worst, gap.value) == ("angry", "b", "a", 0.5)
    assert gap.interval == difference_interval(Share(2, 2), Share(2, 4))
    told = found.to_dict()
    assert told["recall_gaps"]["angry"]["best"] == "b"
    assert told["groups"]["a"]["recall"] == {"angry": 0.5, "happy": 1.0}
    assert told["groups"]["a"]["recall_ci95"]["happy"] == list(Share(2, 2).interval)


def test_a_resample_scores_as_scikit_learn_does() -> None:
    targets, answers = np.array([0, 0, 1, 1, 2]), np.array([0, 1, 1, 1, 0])
    found = resampled_rates(targets, answers, 3, Resampling(50, 7))
    generator = np.random.default_rng(7)
    for at in range(50):
        rows = generator.integers(0, 5, 5)
        there = np.unique(targets[rows])
        f1 = f1_score(targets[rows], answers[rows], labels=there, average="macro", zero_division=0)
        assert found["macro_f1"][at] == pytest.approx(f1)
        assert found["accuracy"][at] == pytest.approx(accuracy_score(targets[rows], answers[rows]))


def test_numbers_are_cut_into_bands() -> None:
    by = GroupBy.read("age:25, 30,40")
    assert [by.value(cell) for cell in ("18", "25", "29.5", "40", "71", "NA", "old", "")] == [
        "<25", "25–30", "25–30", "≥40", "≥40", None, None, None,
    ]  # fmt: skip
    assert by.ordered(["≥40", "<25", "25–30"]) == ["<25", "25–30", "≥40"]
    assert GroupBy.read("sex").value(" female ") == "female"


@given(st.floats(-1e6, 1e6))
def test_every_number_falls_into_one_known_band(number: float) -> None:
    by = GroupBy.read("age:0,25,60")
    band = by.value(repr(number))
    assert band is not None
    assert by.ordered([band]) == [band]


@pytest.mark.parametrize("text", ["", ":3", "age:3,2", "age:a", "age:1,nan"])
def test_what_is_no_column_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="is no column"):
        GroupBy.read(text)


def test_a_column_that_says_nothing_is_refused() -> None:
    probabilities, targets, _ = made(9)
    with pytest.raises(UsageError, match="says nothing of any row"):
        group_metrics(probabilities, targets, LABELS, GroupBy("mood"), [""] * 9, Resampling(10))
    one = group_metrics(probabilities, targets, LABELS, GroupBy("mood"), ["a"] * 9, Resampling(10))
    assert one.gaps == ()
