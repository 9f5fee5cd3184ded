"""How well a score orders or tells apart what people judged: metrics, their intervals, and fitted thresholds."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy import stats

from clip_emotion.arrays import FloatArray, IntArray
from clip_emotion.evaluation.bootstrap import group_interval
from scoring.config import BootstrapConfig

SIGNS = (-1, 0, 1)
"""Negative, neutral, positive."""
_EDGES = 200


@dataclass(frozen=True, slots=True)
class Metric:
    """A measure of answers [N] against the truth [N], and what answers at random reach on average."""

    name: str
    measure: Callable[[FloatArray, FloatArray], float]
    chance: float


def auc(scores: FloatArray, truth: FloatArray) -> float:
    """Return the area under the ROC curve of scores [N] for truth 1 against 0 [N]; NaN where one of them is missing.

    It is the Mann–Whitney statistic over its largest value, U / (n1·n0): the share of pairs in the right order, ties
    counting half (Hanley and McNeil, 1982).
    """
    positive = truth > 0
    ones, zeros = int(positive.sum()), int((~positive).sum())
    if not ones or not zeros:
        return float("nan")
    ranks = stats.rankdata(scores)
    return float((ranks[positive].sum() - ones * (ones + 1) / 2) / (ones * zeros))


def rank_correlation(scores: FloatArray, truth: FloatArray) -> float:
    """Return Spearman's rank correlation of scores [N] and truth [N]; 0 where one is constant, NaN below 2 rows."""
    if len(scores) < 2:
        return float("nan")
    if np.ptp(scores) == 0 or np.ptp(truth) == 0:
        return 0.0
    return float(stats.spearmanr(scores, truth).statistic)


def macro_f1(answers: FloatArray, truth: FloatArray) -> float:
    """Return the mean F1 over the signs -1, 0, 1 of answers [N] and truth [N]; a sign that never occurs has F1 0.

    F1_k = 2 TP_k / (answers of k + truths of k), as scikit-learn's ``f1_score(average="macro", zero_division=0)``,
    which is too slow for a thousand resamples.
    """
    scores = []
    for sign in SIGNS:
        answered, true = answers == sign, truth == sign
        either = int(answered.sum() + true.sum())
        scores.append(2 * int((answered & true).sum()) / either if either else 0.0)
    return float(np.mean(scores))


METRICS = {
    metric.name: metric
    for metric in (
        Metric("AUC", auc, 0.5),
        Metric("Spearman", rank_correlation, 0.0),
        # A guess that follows the classes' shares has precision and recall p_k, so F1 p_k: 1/K on average.
        Metric("macro-F1", macro_f1, 1 / len(SIGNS)),
    )
}


def metric_interval(
    metric: Metric, answers: FloatArray, truth: FloatArray, groups: IntArray, config: BootstrapConfig
) -> tuple[float, float]:
    """Return the 95 % interval of a metric when whole groups (dialogues) are redrawn; NaN where it has no value.

    ``groups`` [N] says to which group each row belongs. Equal seeds draw equal groups, so that intervals of several
    answers to one question compare.
    """
    return group_interval(lambda rows: metric.measure(answers[rows], truth[rows]), groups, config.resampling)


def fit_thresholds(scores: FloatArray, signs: FloatArray) -> tuple[float, float]:
    """Return the thresholds (low, high) between the signs -1, 0 and 1 that give scores [N] the best macro F1.

    They are sought among the scores' quantiles; a score up to ``low`` counts as -1, one above ``high`` as 1.
    Of no scores at all, everything counts as 0.
    """
    if not len(scores):
        return -np.inf, np.inf
    edges = np.unique(np.quantile(scores, np.linspace(0, 1, _EDGES + 1)))
    edges = np.concatenate([[-np.inf], edges])
    totals = np.array([(signs == sign).sum() for sign in SIGNS])
    below = [np.searchsorted(np.sort(scores[signs == sign]), edges, side="right") for sign in SIGNS]
    everything = np.sum(below, axis=0)
    # Entry [i, j] belongs to the thresholds edges[i] <= edges[j].
    hits = (below[0][:, None], below[1][None, :] - below[1][:, None], totals[2] - below[2][None, :])
    claimed = (everything[:, None], everything[None, :] - everything[:, None], len(scores) - everything[None, :])
    f1 = sum(2 * hit / np.maximum(claim + total, 1) for hit, claim, total in zip(hits, claimed, totals, strict=True))
    low, high = np.unravel_index(np.argmax(np.triu(f1)), np.shape(f1))
    return float(edges[low]), float(edges[high])


def signs_of(scores: FloatArray, thresholds: tuple[float, float]) -> FloatArray:
    """Return -1, 0 or 1 for each score [N] by thresholds from ``fit_thresholds``."""
    low, high = thresholds
    return np.asarray((scores > high).astype(np.float64) - (scores <= low))
