"""What one evaluation found, as a record and as its published JSON."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from clip_emotion.arrays import BoolArray
from clip_emotion.evaluation.families import FamilyMetrics
from clip_emotion.evaluation.groups import RATES, Grouping
from clip_emotion.evaluation.metrics import Metrics
from clip_emotion.evaluation.wording import spoken, spoken_of

SHOWN_GAPS = ("accuracy", "macro_recall")
"""The rates whose largest gap is told to people; the others stand in the JSON."""
MOST_CLASSES = 10
"""Of more classes the recall in each group stands in the JSON alone."""
METRIC_KEYS = (
    "accuracy", "top5", "macro_f1", "macro_recall", "ece", "chance_top1", "chance_top5", "majority", "majority_top5",
    "ci95", "per_class", "confusion", "without_support",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Part:
    """The accuracy on a part of the rows; None where the part is empty."""

    n: int
    accuracy: float | None

    @classmethod
    def of(cls, hits: BoolArray) -> Part:
        """Measure a part from whether each of its rows' best answer is the true class, [N]."""
        return cls(n=len(hits), accuracy=float(np.mean(hits)) if len(hits) else None)


@dataclass(frozen=True, slots=True)
class ClassTable:
    """A table for people, a row a class; the first column and those after the first ``numbers`` others are words."""

    title: str
    columns: tuple[str, ...]
    numbers: int
    rows: Sequence[tuple[str, ...]]


@dataclass(frozen=True)
class Evaluation:
    """What was evaluated and what came out; ``names`` maps a label's key to the name to show.

    ``metrics`` is None where the true classes are not among the vocabulary's words, ``families`` where they were not
    asked for, ``seen`` and ``unseen`` where no training data was given to compare with. ``errors`` holds a sentence
    for each row that could not be used; ``unknown_classes`` counts those of classes that the vocabulary does not have,
    ``left_out`` the rows of classes that were left out on request, ``filtered`` those that a filter left out.
    ``faceless`` images had no face that was found, and ``skipped`` of them were therefore left out.
    """

    data: str
    split: str
    model: str
    fingerprint: str
    vocabulary: str
    language: str
    n: int
    names: dict[str, str]
    metrics: Metrics | None = None
    families: FamilyMetrics | None = None
    groupings: tuple[Grouping, ...] = ()
    seen: Part | None = None
    unseen: Part | None = None
    errors: tuple[str, ...] = ()
    unknown_classes: dict[str, int] = field(default_factory=dict)
    left_out: dict[str, int] = field(default_factory=dict)
    filtered: int = 0
    faceless: int = 0
    skipped: int = 0

    def to_dict(self) -> dict[str, Any]:
        """Return the result as JSON-ready values; keys of what was not measured are None."""
        about = ("data", "split", "model", "fingerprint", "vocabulary", "language", "n")
        values: dict[str, Any] = {name: getattr(self, name) for name in about}
        values |= self.metrics.to_dict() if self.metrics else dict.fromkeys(METRIC_KEYS)
        if self.families:
            values |= self.families.to_dict()
        if self.groupings:
            values["by"] = {grouping.column: grouping.to_dict() for grouping in self.groupings}
        for name, part in (("seen_in_training", self.seen), ("unseen", self.unseen)):
            if part is not None:
                values[name] = {"n": part.n, "accuracy": part.accuracy}
        values |= {"failed": len(self.errors), "faceless": self.faceless, "skipped": self.skipped}
        values |= {"unknown_classes": self.unknown_classes} if self.unknown_classes else {}
        values |= {"left_out": self.left_out} if self.left_out else {}
        values |= {"filtered": self.filtered} if self.filtered else {}
        return values

    def summary(self, language: str = "en") -> list[tuple[str, str]]:
        """Return the headline as (what, value) lines for people, chance and majority beside each figure."""
        lines = [("rows", f"{self.n:,}")]
        if self.metrics:
            lines += self._metric_lines(self.metrics, language)
        if self.families:
            lines += self._family_lines(self.families, language)
        for grouping in self.groupings:
            lines += _gap_lines(grouping, language)
        for name, part in (("accuracy, also in training", self.seen), ("accuracy, not in training", self.unseen)):
            if part is not None:
                rows = f"{spoken('rows', language)} {part.n:,}" if language == "ko" else f"{part.n:,} rows"
                value = spoken("no rows", language) if part.accuracy is None else f"{part.accuracy:.4f} ({rows})"
                lines.append((name, value))
        if self.filtered:
            lines.append(("rows left out by the filter", f"{self.filtered:,}"))
        if self.faceless:
            how = "left out" if self.skipped else "taken whole"
            lines.append((f"pictures without a face, {how}", f"{self.faceless:,}"))
        if self.errors:
            lines.append(("rows left out as unusable", f"{len(self.errors):,}"))
        for what, counts in (("classes not in the vocabulary", self.unknown_classes), ("left out", self.left_out)):
            if counts:
                lines.append((what, ", ".join(f"{name} ({count:,})" for name, count in counts.items())))
        return [(spoken_of(what, language), value) for what, value in lines]

    def tables(self, language: str = "en") -> list[ClassTable]:
        """Return what was measured of each class that has rows, for people."""
        tables = []
        if self.metrics:
            rows = [
                (self.name(key), f"{one.precision:.3f}", f"{one.recall:.3f}", f"{one.f1:.3f}", f"{one.support:,}")
                for key, one in self.metrics.per_class.items()
                if one.support
            ]
            tables.append(ClassTable("Classes", ("class", "precision", "recall", "F1", "rows"), 4, rows))
        if self.families:
            columns = ("true class", "hit@1", "prec@5", "chance", "rows", "words chosen most", "its family")
            tables.append(ClassTable("Families", columns, 4, self._family_rows(self.families)))
        for grouping in self.groupings:
            tables += [_grouping_table(grouping), *self._recall_tables(grouping)]
        return [
            replace(
                table,
                title=spoken_of(table.title, language),
                columns=tuple(spoken(column, language) for column in table.columns),
            )
            for table in tables
        ]

    def _family_rows(self, families: FamilyMetrics) -> list[tuple[str, ...]]:
        return [
            (
                self.name(key),
                *(f"{rate:.3f}" for rate in (one.hit1, one.precision5, one.chance)),
                f"{one.support:,}",
                ", ".join(f"{self.name(word)} {share:.0%}" for word, share in one.chosen),
                ", ".join(map(self.name, one.family)),
            )
            for key, one in families.per_class.items()
        ]

    def _recall_tables(self, grouping: Grouping) -> list[ClassTable]:
        """Return the recall of each class in each group with its interval, where the classes are few enough to read."""
        keys = list(dict.fromkeys(key for group in grouping.groups for key in group.recalls))
        rows = []
        for key, group in ((key, group) for key in keys for group in grouping.groups if key in group.recalls):
            share = group.recalls[key]
            low, high = share.interval
            rows.append(
                (f"{self.name(key)} · {group.name}", f"{share.value:.3f}", f"{low:.3f}–{high:.3f}", f"{share.rows:,}")
            )
        columns = ("class · group", "recall", "95 %", "rows")
        return [ClassTable(f"Recall by\t{grouping.column}", columns, 3, rows)] if len(keys) <= MOST_CLASSES else []

    def name(self, key: str) -> str:
        """Return the name to show for a key."""
        return self.names.get(key, key)

    def _metric_lines(self, metrics: Metrics, language: str) -> list[tuple[str, str]]:
        low, high = metrics.accuracy_ci95
        lines = [
            ("accuracy (top-1)", f"{metrics.accuracy:.4f}  (95 % {low:.4f}–{high:.4f})"),
            ("  chance · most frequent", f"{metrics.chance_top1:.4f} · {metrics.majority:.4f}"),
            ("top-5", f"{metrics.top5:.4f}"),
            ("  chance · most frequent", f"{metrics.chance_top5:.4f} · {metrics.majority_top5:.4f}"),
            ("macro F1", f"{metrics.macro_f1:.4f}"),
            ("macro recall", f"{metrics.macro_recall:.4f}"),
            ("expected calibration error", f"{metrics.ece:.4f}"),
        ]
        if metrics.threshold is not None:
            least, most = np.min(metrics.threshold), np.max(metrics.threshold)
            span = f"{least:g}" if least == most else f"{least:.3g}–{most:.3g} ({spoken('by label', language)})"
            lines.append(("F1 and recall count from", f"{spoken('probability', language)} ≥ {span}"))
        if metrics.without_support:
            names = ", ".join(map(self.name, metrics.without_support))
            lines.append(("left out of the averages (no rows)", names))
        return lines

    def _family_lines(self, families: FamilyMetrics, language: str) -> list[tuple[str, str]]:
        chance = f"({spoken('chance', language)} {families.chance:.4f})"
        lines = [
            ("family hit@1", f"{families.hit1:.4f}  {chance}"),
            ("family precision@5", f"{families.precision5:.4f}  {chance}"),
        ]
        if families.left_out:
            lines.append(("classes with no family", ", ".join(map(self.name, families.left_out))))
        return lines


def _grouping_table(grouping: Grouping) -> ClassTable:
    """Return a column's groups as a table, accuracy with its 95 % interval."""
    rows = []
    for group in grouping.groups:
        low, high = group.intervals["accuracy"]
        rates = [f"{getattr(group.metrics, rate):.3f}" for rate in (*RATES, "ece")]
        rows.append((group.name, rates[0], f"{low:.3f}–{high:.3f}", *rates[1:], f"{group.metrics.n:,}"))
    columns = ("group", "accuracy", "95 %", "macro recall", "macro F1", "ECE", "rows")
    return ClassTable(f"Groups by\t{grouping.column}", columns, 6, rows)


def _gap_lines(grouping: Grouping, language: str) -> list[tuple[str, str]]:
    lines = []
    for gap in (one for one in grouping.gaps if one.metric in SHOWN_GAPS):
        low, high = gap.interval
        name = spoken(gap.metric.replace("_", " "), language)
        value = f"{name} {gap.value:.3f}  ({gap.best} − {gap.worst}, 95 % {low:.3f}–{high:.3f})"
        lines.append((f"largest gap by\t{grouping.column}", value))
    if grouping.unknown:
        lines.append((f"rows without\t{grouping.column}", f"{grouping.unknown:,}"))
    return lines


def finite(value: Any) -> Any:
    """Return JSON-ready values with None in place of NaN and infinity, which JSON cannot hold."""
    if isinstance(value, dict):
        return {key: finite(inner) for key, inner in value.items()}
    if isinstance(value, (list, tuple)):
        return [finite(inner) for inner in value]
    return None if isinstance(value, float) and not np.isfinite(value) else value
