"""Classification metrics on arrays of probabilities, for one true class a row or for several."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from sklearn.metrics import (
    accuracy_score,
    confusion_matrix,
    precision_recall_fscore_support,
    top_k_accuracy_score,
)

from clip_emotion.arrays import BoolArray, FloatingArray, IntegerArray
from clip_emotion.errors import UsageError
from clip_emotion.evaluation.bootstrap import Resampling, share_interval
from clip_emotion.evaluation.calibration import Reliability, reliability

TOP = 5
RESAMPLES = 10_000


@dataclass(frozen=True, slots=True)
class ClassMetrics:
    """One class: precision, recall and F1 in [0, 1], and the number of rows that truly are of it."""

    precision: float
    recall: float
    f1: float
    support: int


@dataclass(frozen=True)
class Metrics:
    """How well probabilities over ``labels`` agree with the truth; every rate is in [0, 1].

    ``accuracy`` and ``top5`` count a row as hit where one of its true labels is the best, or among the best five.
    ``chance_*`` is what random ranking scores, ``majority*`` what naming the most frequent label(s) every time scores.
    ``confusion`` is [C, C], rows true and columns predicted, or None where rows have several labels.
    ``without_support`` names the labels that no row has; the macro averages leave them out.
    """

    labels: tuple[str, ...]
    n: int
    accuracy: float
    top5: float
    macro_f1: float
    macro_recall: float
    ece: float
    chance_top1: float
    chance_top5: float
    majority: float
    majority_top5: float
    accuracy_ci95: tuple[float, float]
    per_class: dict[str, ClassMetrics]
    without_support: tuple[str, ...]
    confusion: IntegerArray | None
    reliability: Reliability
    threshold: float | FloatingArray | None = None

    def to_dict(self) -> dict[str, Any]:
        """Return the metrics as JSON-ready values under their published keys."""
        rates = ("accuracy", "top5", "macro_f1", "macro_recall", "ece", "chance_top1", "chance_top5")
        values: dict[str, Any] = {"n": self.n, **{name: getattr(self, name) for name in rates}}
        values |= {"majority": self.majority, "majority_top5": self.majority_top5}
        values["ci95"] = {"accuracy": list(self.accuracy_ci95)}
        values["per_class"] = {
            name: {"precision": one.precision, "recall": one.recall, "f1": one.f1, "support": one.support}
            for name, one in self.per_class.items()
        }
        matrix = None if self.confusion is None else self.confusion.tolist()
        values["confusion"] = None if matrix is None else {"labels": list(self.labels), "matrix": matrix}
        values["without_support"] = list(self.without_support)
        if isinstance(self.threshold, np.ndarray):
            values["thresholds"] = dict(zip(self.labels, self.threshold.tolist(), strict=True))
        elif self.threshold is not None:
            values["threshold"] = self.threshold
        return values


@dataclass(frozen=True)
class _Overall:
    accuracy: float
    top5: float
    confusion: IntegerArray | None = None
    threshold: float | FloatingArray | None = None


def classification_metrics(
    probabilities: FloatingArray, targets: IntegerArray, labels: Sequence[str], *, seed: int = 0
) -> Metrics:
    """Score probabilities [N, C] against one true class a row, ``targets`` [N] as column numbers.

    The most probable label is the answer. Raises UsageError where the shapes disagree, there are no rows, or a target
    is no column.
    """
    _check(probabilities, len(targets), labels)
    targets = np.asarray(targets)
    if targets.min() < 0 or targets.max() >= len(labels):
        raise UsageError(f"Targets must lie in 0–{len(labels) - 1}: got {targets.min()}–{targets.max()}.")
    truth = np.zeros(probabilities.shape, dtype=np.bool_)
    truth[np.arange(len(targets)), targets] = True
    best = rank(probabilities, 1)[:, 0]
    answers = np.zeros_like(truth)
    answers[np.arange(len(targets)), best] = True
    overall = _Overall(
        accuracy=float(accuracy_score(targets, best)),
        top5=_top5(probabilities, targets),
        confusion=_confusion(targets, best, len(labels)),
    )
    return _metrics(probabilities, truth, answers, overall, labels=labels, seed=seed)


def multilabel_metrics(
    probabilities: FloatingArray,
    truth: BoolArray,
    labels: Sequence[str],
    *,
    threshold: float | FloatingArray,
    seed: int = 0,
) -> Metrics:
    """Score probabilities [N, C] against any number of true labels a row, ``truth`` [N, C].

    A label counts as predicted where its probability is at least ``threshold``, which may be one for each label [C];
    precision, recall and F1 come from that rule, accuracy and top5 from the ranking. Raises UsageError where the shapes
    disagree, there are no rows, or a row has no true label.
    """
    _check(probabilities, len(truth), labels)
    if np.shape(threshold) not in ((), (len(labels),)):
        raise UsageError(
            f"There are {np.size(threshold)} thresholds for {len(labels)} labels: give one, or one for each."
        )
    truth = np.asarray(truth, dtype=np.bool_)
    if not truth.any(axis=1).all():
        raise UsageError(f"Row {int(np.argmin(truth.any(axis=1)))} has no true label: every row needs at least one.")
    # Whether one of a row's several true labels was ranked high is a question that no library's function answers.
    hits = np.take_along_axis(truth, rank(probabilities), axis=1)
    overall = _Overall(float(hits[:, 0].mean()), float(hits.any(axis=1).mean()), threshold=threshold)
    return _metrics(probabilities, truth, probabilities >= threshold, overall, labels=labels, seed=seed)


def rank(probabilities: FloatingArray, k: int = TOP) -> IntegerArray:
    """Return the column numbers of each row's k best, best first, [N, min(k, C)]; of equals the earlier column wins."""
    return np.argsort(-probabilities, axis=1, kind="stable")[:, :k]


def chance_hit(true_labels: IntegerArray, n_labels: int, k: int) -> float:
    """Return the mean probability that k labels drawn at random hold one of a row's true labels.

    ``true_labels`` [N] counts each row's true labels m; a row's probability is ``1 - C(L-m, k) / C(L, k)``.
    """
    k = min(k, n_labels)
    counts, rows = np.unique(true_labels, return_counts=True)
    missed = [math.comb(n_labels - int(count), k) / math.comb(n_labels, k) for count in counts]
    return float(1.0 - np.dot(missed, rows) / rows.sum())


def _check(probabilities: FloatingArray, rows: int, labels: Sequence[str]) -> None:
    if probabilities.ndim != 2 or probabilities.shape != (rows, len(labels)):
        raise UsageError(f"Expected probabilities of shape ({rows}, {len(labels)}), got {probabilities.shape}.")
    if rows == 0:
        raise UsageError("There are no rows to evaluate: choose another split, --rows or --limit.")


def _confusion(targets: IntegerArray, answers: IntegerArray, columns: int) -> IntegerArray:
    # scikit-learn warns of a single label even where it is told all labels.
    if columns == 1:
        return np.array([[len(targets)]])
    matrix: IntegerArray = confusion_matrix(targets, answers, labels=np.arange(columns))
    return matrix


def _top5(probabilities: FloatingArray, targets: IntegerArray) -> float:
    columns = probabilities.shape[1]
    # Five of at most five labels always hold the true one; scikit-learn would warn that the figure says nothing.
    if columns <= TOP:
        return 1.0
    # Of equals scikit-learn prefers the later column and ``rank`` the earlier: it is given the columns from the end.
    return float(top_k_accuracy_score(columns - 1 - targets, probabilities[:, ::-1], k=TOP, labels=np.arange(columns)))


def _metrics(
    probabilities: FloatingArray,
    truth: BoolArray,
    answers: BoolArray,
    overall: _Overall,
    *,
    labels: Sequence[str],
    seed: int,
) -> Metrics:
    best = rank(probabilities, 1)
    hits = np.take_along_axis(truth, best, axis=1)[:, 0]
    support = truth.sum(axis=0)
    per_class = _per_class(truth, answers, labels)
    supported = [one for one in per_class.values() if one.support]
    frequent = np.argsort(-support, kind="stable")
    bins = reliability(np.take_along_axis(probabilities, best, axis=1)[:, 0], hits)
    return Metrics(
        labels=tuple(labels),
        n=len(truth),
        accuracy=overall.accuracy,
        top5=overall.top5,
        macro_f1=float(np.mean([one.f1 for one in supported])),
        macro_recall=float(np.mean([one.recall for one in supported])),
        ece=bins.ece,
        chance_top1=chance_hit(truth.sum(axis=1), len(labels), 1),
        chance_top5=chance_hit(truth.sum(axis=1), len(labels), TOP),
        majority=float(truth[:, frequent[0]].mean()),
        majority_top5=float(truth[:, frequent[:TOP]].any(axis=1).mean()),
        accuracy_ci95=share_interval(hits, Resampling(RESAMPLES, seed)),
        per_class=per_class,
        without_support=tuple(name for name, count in zip(labels, support, strict=True) if not count),
        confusion=overall.confusion,
        reliability=bins,
        threshold=overall.threshold,
    )


def _per_class(truth: BoolArray, answers: BoolArray, labels: Sequence[str]) -> dict[str, ClassMetrics]:
    # scikit-learn reads a one-column indicator as a binary problem, which has no averages per label.
    if len(labels) == 1:
        precision, recall, f1, support = ([value] for value in _binary(truth[:, 0], answers[:, 0]))
    else:
        precision, recall, f1, support = precision_recall_fscore_support(truth, answers, average=None, zero_division=0)
    return {
        name: ClassMetrics(float(p), float(r), float(f), int(s))
        for name, p, r, f, s in zip(labels, precision, recall, f1, support, strict=True)
    }


def _binary(truth: BoolArray, answers: BoolArray) -> tuple[float, float, float, int]:
    precision, recall, f1, _ = precision_recall_fscore_support(truth, answers, average="binary", zero_division=0)
    return precision, recall, f1, int(truth.sum())
