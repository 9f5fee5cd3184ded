"""Metrics of each group of rows, such as people of one age or sex, with intervals, and the largest gap between two."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from clip_emotion.arrays import FloatArray, FloatingArray, IntArray, IntegerArray
from clip_emotion.errors import UsageError
from clip_emotion.evaluation.bootstrap import Resampling, percentile_interval
from clip_emotion.evaluation.metrics import Metrics, classification_metrics, rank
from clip_emotion.evaluation.shares import Interval, Share, difference_interval
from clip_emotion.text import MISSING

RATES = ("accuracy", "macro_recall", "macro_f1")
"""The metrics that have an interval in each group, and a gap between groups."""


@dataclass(frozen=True)
class GroupBy:
    """A column to group by; numbers are cut into bands at ``edges``, each of which begins at its edge."""

    column: str
    edges: tuple[float, ...] = ()

    @classmethod
    def read(cls, text: str) -> GroupBy:
        """Read ``column`` or ``column:25,30,40``; raises UsageError for edges that do not rise."""
        column, _, cuts = text.partition(":")
        try:
            edges = tuple(float(cut) for cut in cuts.split(",")) if cuts.strip() else ()
        except ValueError:
            edges = (math.nan,)
        rising = all(low < high for low, high in itertools.pairwise(edges))
        if not column.strip() or not rising or not all(map(math.isfinite, edges)):
            raise UsageError(f"--by {text} is no column: write COLUMN, or COLUMN:25,30,40 to cut numbers into bands.")
        return cls(column.strip(), edges)

    def value(self, cell: str) -> str | None:
        """Return the group that a cell falls into; None where it says nothing, or is no number where edges are."""
        cell = cell.strip()
        if cell.casefold() in MISSING:
            return None
        return self._band(cell) if self.edges else cell

    def _band(self, cell: str) -> str | None:
        try:
            number = float(cell)
        except ValueError:
            return None
        if not math.isfinite(number):
            return None
        place = int(np.searchsorted(self.edges, number, side="right"))
        low = f"{self.edges[place - 1]:g}" if place else ""
        high = f"{self.edges[place]:g}" if place < len(self.edges) else ""
        return f"{low}–{high}" if low and high else f"<{high}" if high else f"≥{low}"

    def ordered(self, values: Sequence[str]) -> list[str]:
        """Return the groups in the order of their bands, or by name."""
        if not self.edges:
            return sorted(set(values))
        middles = [self.edges[0] - 1, *self.edges]
        bands = [band for middle in middles if (band := self._band(str(middle))) is not None]
        return [band for band in bands if band in set(values)]


@dataclass(frozen=True)
class Group:
    """One group's metrics, and the 95 % interval of each of ``RATES``."""

    name: str
    metrics: Metrics
    intervals: dict[str, Interval]

    @property
    def recalls(self) -> dict[str, Share]:
        """Of each class that has rows in the group, how many of them were named."""
        classes = self.metrics.per_class.items()
        return {key: Share(round(one.recall * one.support), one.support) for key, one in classes if one.support}

    def to_dict(self) -> dict[str, Any]:
        """Return the group as JSON-ready values."""
        rates = {name: getattr(self.metrics, name) for name in (*RATES, "top5", "ece")}
        values: dict[str, Any] = {"n": self.metrics.n, **rates}
        values["recall"] = {key: share.value for key, share in self.recalls.items()}
        values["recall_ci95"] = {key: list(share.interval) for key, share in self.recalls.items()}
        return values | {"ci95": {name: list(interval) for name, interval in self.intervals.items()}}


@dataclass(frozen=True)
class Gap:
    """How far the best group lies above the worst in one metric, and the 95 % interval of the difference of the two.

    The two groups were chosen for their difference, so that an interval above 0 overstates the evidence where there are
    many groups.
    """

    metric: str
    best: str
    worst: str
    value: float
    interval: Interval


@dataclass(frozen=True)
class Grouping:
    """The groups of one column, the largest gaps between them, and the number of rows of which it says nothing.

    ``recall_gaps`` are those of each class's recall, by class, where at least two groups have rows of it.
    """

    column: str
    groups: tuple[Group, ...]
    gaps: tuple[Gap, ...]
    unknown: int

    @property
    def recall_gaps(self) -> tuple[Gap, ...]:
        """How far the best group lies above the worst in the recall of each class."""
        found = []
        for key in dict.fromkeys(key for group in self.groups for key in group.recalls):
            shares = {group.name: group.recalls[key] for group in self.groups if key in group.recalls}
            order = sorted(shares, key=lambda name: shares[name].value)
            worst, best = order[0], order[-1]
            if worst != best:
                value = shares[best].value - shares[worst].value
                found.append(Gap(key, best, worst, value, difference_interval(shares[best], shares[worst])))
        return tuple(found)

    def to_dict(self) -> dict[str, Any]:
        """Return the grouping as JSON-ready values."""
        gaps, recall_gaps = (
            {
                gap.metric: {"best": gap.best, "worst": gap.worst, "value": gap.value, "ci95": list(gap.interval)}
                for gap in found
            }
            for found in (self.gaps, self.recall_gaps)
        )
        groups = {one.name: one.to_dict() for one in self.groups}
        return {"groups": groups, "gaps": gaps, "recall_gaps": recall_gaps, "unknown": self.unknown}


def group_metrics(
    probabilities: FloatingArray,
    targets: IntegerArray,
    labels: Sequence[str],
    by: GroupBy,
    cells: Sequence[str],
    resampling: Resampling,
) -> Grouping:
    """Measure each group of rows: probabilities [N, C], true columns ``targets`` [N], and ``cells`` [N] of the column.

    Intervals are percentile intervals over rows that are redrawn within each group. Raises UsageError where the column
    says nothing of any row.
    """
    values = [by.value(cell) for cell in cells]
    known = by.ordered([value for value in values if value is not None])
    if not known:
        kind = "no number" if by.edges else "nothing"
        raise UsageError(f"The column '{by.column}' says {kind} of any row that counts.")
    best = rank(probabilities, 1)[:, 0]
    groups, drawn = [], {}
    for name in known:
        rows = np.array([value == name for value in values])
        metrics = classification_metrics(probabilities[rows], targets[rows], labels, seed=resampling.seed)
        drawn[name] = resampled_rates(targets[rows], best[rows], len(labels), resampling)
        intervals = {rate: percentile_interval(drawn[name][rate]) for rate in RATES}
        groups.append(Group(name, metrics, intervals))
    gaps = tuple(_gap(rate, groups, drawn) for rate in RATES) if len(groups) > 1 else ()
    return Grouping(by.column, tuple(groups), gaps, sum(value is None for value in values))


def _gap(rate: str, groups: Sequence[Group], drawn: dict[str, dict[str, FloatArray]]) -> Gap:
    order = sorted(groups, key=lambda group: float(getattr(group.metrics, rate)))
    worst, best = order[0], order[-1]
    value = float(getattr(best.metrics, rate)) - float(getattr(worst.metrics, rate))
    differences = drawn[best.name][rate] - drawn[worst.name][rate]
    return Gap(rate, best.name, worst.name, value, percentile_interval(differences))


def resampled_rates(
    targets: IntegerArray, answers: IntegerArray, classes: int, resampling: Resampling
) -> dict[str, FloatArray]:
    """Return accuracy, macro recall and macro F1 of each resample of the rows [N], by name, each [resamples].

    Only the classes that a resample has count in its averages.
    """
    generator = np.random.default_rng(resampling.seed)
    pairs = np.asarray(targets, dtype=np.int64) * classes + np.asarray(answers, dtype=np.int64)
    found: dict[str, list[float]] = {rate: [] for rate in RATES}
    for _ in range(resampling.resamples):
        drawn = pairs[generator.integers(0, len(pairs), len(pairs))]
        for rate, value in zip(RATES, _rates(np.bincount(drawn, minlength=classes**2), classes), strict=True):
            found[rate].append(value)
    return {rate: np.array(values) for rate, values in found.items()}


def _rates(counts: IntArray, classes: int) -> tuple[float, float, float]:
    matrix = counts.reshape(classes, classes)
    support, predicted, right = matrix.sum(axis=1), matrix.sum(axis=0), np.diagonal(matrix)
    there = support > 0
    recall = right[there] / support[there]
    f1 = 2 * right[there] / (support[there] + predicted[there])
    return float(right.sum() / support.sum()), float(recall.mean()), float(f1.mean())
