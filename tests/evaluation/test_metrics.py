"""Every figure of the metrics against another library than the one it comes from, or a plain loop."""

import math

import numpy as np
import pytest
import sklearn.metrics as sk
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torchmetrics.functional.classification import (
    multiclass_accuracy,
    multiclass_confusion_matrix,
    multiclass_f1_score,
    multilabel_f1_score,
)

from clip_emotion.errors import UsageError
from clip_emotion.evaluation.metrics import (
    chance_hit,
    classification_metrics,
    multilabel_metrics,
    rank,
)

SEEDS = st.integers(0, 10_000)
few = settings(max_examples=25, deadline=None)


def sample(seed: int, rows: int = 200, labels: int = 7) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    targets = rng.integers(0, labels, rows)
    logits = rng.normal(size=(rows, labels))
    logits[np.arange(rows), targets] += 1.0
    probabilities = np.exp(logits)
    return probabilities / probabilities.sum(axis=1, keepdims=True), targets


def names(count: int) -> list[str]:
    return [f"l{number}" for number in range(count)]


def several(seed: int, rows: int = 120, labels: int = 9) -> tuple[np.ndarray, np.ndarray]:
    probabilities, targets = sample(seed, rows, labels)
    truth = np.random.default_rng(seed + 1).random((rows, labels)) < 0.2
    truth[np.arange(rows), targets] = True
    return probabilities, truth


@given(SEEDS, st.integers(2, 12))
@few
def test_single_label_agrees_with_torchmetrics(seed: int, labels: int) -> None:
    p, t = sample(seed, labels=labels)
    m = classification_metrics(p, t, names(labels))
    tensors = torch.tensor(p), torch.tensor(t)
    for k, value in ((1, m.accuracy), (min(5, labels), m.top5)):
        reference = multiclass_accuracy(*tensors, num_classes=labels, average="micro", top_k=k)
        assert value == pytest.approx(float(reference), abs=1e-6)
    assert np.array_equal(m.confusion, multiclass_confusion_matrix(*tensors, num_classes=labels).numpy())
    present = np.unique(t)
    recalls = multiclass_accuracy(*tensors, num_classes=labels, average="none").numpy()
    f1s = multiclass_f1_score(*tensors, num_classes=labels, average="none").numpy()
    assert m.macro_recall == pytest.approx(recalls[present].mean(), abs=1e-6)
    assert m.macro_f1 == pytest.approx(f1s[present].mean(), abs=1e-6)


def test_single_label_agrees_with_plain_loops() -> None:
    p, t = sample(3, rows=60, labels=6)
    m = classification_metrics(p, t, names(6))
    matrix = [[0] * 6 for _ in range(6)]
    bins = [[0.0, 0] for _ in range(15)]
    among = 0
    for row, true in zip(p.tolist(), t.tolist(), strict=True):
        best = row.index(max(row))
        matrix[true][best] += 1
        bins[int(max(row) * 15)][0] += max(row)
        bins[int(max(row) * 15)][1] += best == true
        among += sum(value > row[true] for value in row) < 5
    assert m.accuracy == pytest.approx(sum(matrix[number][number] for number in range(6)) / 60)
    assert m.top5 == pytest.approx(among / 60)
    assert m.ece == pytest.approx(sum(abs(sure - right) for sure, right in bins) / 60)
    assert m.confusion is not None
    assert m.confusion.tolist() == matrix
    for number, one in enumerate(m.per_class.values()):
        hit, said, there = matrix[number][number], sum(row[number] for row in matrix), sum(matrix[number])
        assert one.support == there
        assert one.precision == pytest.approx(hit / said if said else 0)
        assert one.recall == pytest.approx(hit / there)
        assert one.f1 == pytest.approx(2 * hit / (said + there))
    assert m.majority == pytest.approx(max(map(sum, matrix)) / 60)
    assert (m.chance_top1, m.chance_top5) == pytest.approx((1 / 6, 5 / 6))


@given(SEEDS)
@few
def test_several_labels_agree_with_torchmetrics_and_loops(seed: int) -> None:
    p, truth = several(seed)
    threshold = 0.12
    m = multilabel_metrics(p, truth, names(9), threshold=threshold)
    hit1 = hit5 = 0
    for row, true in zip(p.tolist(), truth.tolist(), strict=True):
        order = sorted(range(9), key=lambda place: -row[place])
        hit1 += true[order[0]]
        hit5 += any(true[place] for place in order[:5])
    assert (m.accuracy, m.top5) == pytest.approx((hit1 / len(p), hit5 / len(p)))
    f1 = multilabel_f1_score(
        torch.tensor(p), torch.tensor(truth.astype(int)), num_labels=9, threshold=threshold, average="macro"
    )
    assert m.macro_f1 == pytest.approx(float(f1), abs=1e-6)
    assert m.macro_recall == pytest.approx(sk.recall_score(truth, p >= threshold, average="macro", zero_division=0))
    assert m.confusion is None
    assert m.to_dict()["threshold"] == threshold


@given(SEEDS)
@few
def test_labels_with_thresholds_of_their_own_are_each_judged_by_it(seed: int) -> None:
    p, truth = several(seed)
    own = np.random.default_rng(seed).uniform(0.02, 0.4, 9)
    m = multilabel_metrics(p, truth, names(9), threshold=own)
    for at, name in enumerate(names(9)):
        alone = sk.recall_score(truth[:, at], p[:, at] >= own[at], zero_division=0)
        assert m.per_class[name].recall == pytest.approx(alone)
    assert m.to_dict()["thresholds"] == dict(zip(names(9), own, strict=True))
    for wrong in (own[:5], own[:1], own[None]):
        with pytest.raises(UsageError, match=r"There are \d thresholds for 9 labels: give one, or one for each"):
            multilabel_metrics(p, truth, names(9), threshold=wrong)
    same = multilabel_metrics(p, truth, names(9), threshold=np.full(9, 0.12))
    assert same.macro_f1 == multilabel_metrics(p, truth, names(9), threshold=0.12).macro_f1


def test_majority_of_several_labels_names_the_most_frequent_ones() -> None:
    truth = np.array([[1, 1, 0], [1, 0, 0], [0, 0, 1], [1, 0, 1]], dtype=bool)
    m = multilabel_metrics(np.full((4, 3), 1 / 3), truth, names(3), threshold=0.5)
    assert m.majority == 3 / 4
    assert m.majority_top5 == 1.0


def test_single_and_several_agree_where_every_row_has_one_label() -> None:
    p, t = sample(5)
    one, many = (
        classification_metrics(p, t, names(7)),
        multilabel_metrics(p, np.eye(7, dtype=bool)[t], names(7), threshold=0.5),
    )
    for key in ("accuracy", "top5", "ece", "chance_top1", "chance_top5", "majority", "majority_top5", "accuracy_ci95"):
        assert getattr(one, key) == pytest.approx(getattr(many, key)), key


@given(SEEDS)
@few
def test_row_order_changes_nothing(seed: int) -> None:
    p, t = sample(seed)
    order = np.random.default_rng(seed).permutation(len(t))
    one = classification_metrics(p, t, names(7)).to_dict()
    two = classification_metrics(p[order], t[order], names(7)).to_dict()
    assert one.pop("ece") == pytest.approx(two.pop("ece"))
    assert one == two


@given(SEEDS, st.floats(0.5, 4))
@few
def test_ranking_figures_ignore_the_temperature(seed: int, power: float) -> None:
    p, t = sample(seed)
    sharper = p**power / (p**power).sum(axis=1, keepdims=True)
    one, two = classification_metrics(p, t, names(7)), classification_metrics(sharper, t, names(7))
    assert (one.accuracy, one.top5, one.macro_f1) == (two.accuracy, two.top5, two.macro_f1)


def test_chance_is_what_random_ranking_scores() -> None:
    counts = np.array([1, 3, 2, 6])
    rng = np.random.default_rng(0)
    for k in (1, 5):
        hits = [(np.argsort(rng.random((20_000, 8)), axis=1)[:, :k] < count).any(axis=1).mean() for count in counts]
        assert chance_hit(counts, 8, k) == pytest.approx(np.mean(hits), abs=0.01)
    assert chance_hit(np.array([1]), 3, 5) == 1.0
    assert chance_hit(np.array([2]), 4, 2) == pytest.approx(1 - math.comb(2, 2) / math.comb(4, 2))


def test_labels_without_rows_are_left_out_by_name() -> None:
    p, t = sample(0, labels=4)
    p, t = p[t != 2], t[t != 2]
    m = classification_metrics(p, t, names(4))
    assert m.without_support == ("l2",)
    assert m.per_class["l2"].support == 0
    assert m.macro_f1 == pytest.approx(np.mean([m.per_class[key].f1 for key in ("l0", "l1", "l3")]))


def test_one_label_only() -> None:
    m = classification_metrics(np.ones((3, 1)), np.zeros(3, dtype=int), ["only"])
    assert (m.accuracy, m.top5, m.macro_f1) == (1.0, 1.0, 1.0)
    assert m.ece == pytest.approx(0.0)
    assert m.per_class["only"].support == 3
    assert m.confusion is not None
    assert m.confusion.tolist() == [[3]]


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize(("labels", "rows"), [(1, 1), (2, 1), (2, 5), (4, 9), (5, 3), (6, 1), (6, 2), (44, 44)])
def test_few_labels_or_rows_give_figures_without_warnings(labels: int, rows: int) -> None:
    p, t = sample(2, rows=rows, labels=labels)
    m = classification_metrics(p, t, names(labels))
    hits = [true in sorted(range(labels), key=lambda place: -row[place])[:5] for row, true in zip(p, t, strict=True)]
    assert m.top5 == pytest.approx(sum(hits) / rows)
    assert m.accuracy == pytest.approx(sum(row.argmax() == true for row, true in zip(p, t, strict=True)) / rows)
    assert m.confusion is not None
    assert (m.confusion.shape, m.confusion.sum()) == ((labels, labels), rows)


def test_of_equals_the_earlier_five_are_the_top_five() -> None:
    m = classification_metrics(np.full((8, 8), 1 / 8), np.arange(8), names(8))
    assert (m.accuracy, m.top5) == (1 / 8, 5 / 8)
    assert m.confusion is not None
    assert m.confusion[:, 0].tolist() == [1] * 8


def test_rank_prefers_the_earlier_of_equals() -> None:
    assert rank(np.array([[0.2, 0.4, 0.4]]), 2).tolist() == [[1, 2]]


@pytest.mark.parametrize(
    ("p", "t"),
    [
        (np.ones((2, 3)), np.zeros(3, dtype=int)),
        (np.ones((2, 4)), np.zeros(2, dtype=int)),
        (np.ones((0, 3)), np.zeros(0, dtype=int)),
        (np.ones((2, 3)), np.array([0, 3])),
        (np.ones((2, 3)), np.array([0, -1])),
    ],
)
def test_misfits_are_told(p: np.ndarray, t: np.ndarray) -> None:
    with pytest.raises(UsageError):
        classification_metrics(p, t, names(3))


def test_a_row_without_labels_is_told_by_number() -> None:
    truth = np.array([[True, False], [False, False]])
    with pytest.raises(UsageError, match="Row 1"):
        multilabel_metrics(np.full((2, 2), 0.5), truth, names(2), threshold=0.5)
