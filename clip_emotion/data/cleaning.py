"""Which rows to keep: pure functions over content hashes, labels and blankness."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field

from clip_emotion.config import Config

TRAIN = "train"


@dataclass
class Contents:
    """What cleaning compares, one entry a row of a split: content hash, label, whether it is blank."""

    keys: list[str] = field(default_factory=list)
    labels: list[str] = field(default_factory=list)
    blank: list[bool] = field(default_factory=list)

    def add(self, key: str, label: str, blank: bool) -> None:
        """Append a row."""
        self.keys.append(key)
        self.labels.append(label)
        self.blank.append(blank)


class Dropped(Config):
    """How many rows cleaning took out of the training split, by reason; a row counts under the first that holds."""

    blank: int = 0
    in_evaluation: int = 0
    conflicting: int = 0
    repeated: int = 0

    @property
    def total(self) -> int:
        """All rows that were taken out."""
        return self.blank + self.in_evaluation + self.conflicting + self.repeated


def keep_for_training(splits: Mapping[str, Contents], one_label: bool = True) -> tuple[list[int], Dropped]:
    """Return the training rows to keep, in order, and how many were dropped for which reason.

    Dropped are blank rows, rows whose content also stands in another split, every row of a content that carries
    several labels (only with ``one_label``; people may well differ about a text), and all but the first of equal rows.
    Other splits stay as published, so that figures on them compare with everybody else's.
    """
    train = splits[TRAIN]
    elsewhere = {key for name, other in splits.items() if name != TRAIN for key in other.keys}
    labels: defaultdict[str, set[str]] = defaultdict(set)
    for key, label in zip(train.keys, train.labels, strict=True):
        labels[key].add(label)
    seen: set[tuple[str, str]] = set()
    kept: list[int] = []
    counts = dict.fromkeys(Dropped.model_fields, 0)
    for row, (key, label, blank) in enumerate(zip(train.keys, train.labels, train.blank, strict=True)):
        reasons = {
            "blank": blank,
            "in_evaluation": key in elsewhere,
            "conflicting": one_label and len(labels[key]) > 1,
            "repeated": (key, label) in seen,
        }
        reason = next((name for name, holds in reasons.items() if holds), None)
        if reason:
            counts[reason] += 1
            continue
        seen.add((key, label))
        kept.append(row)
    return kept, Dropped(**counts)
