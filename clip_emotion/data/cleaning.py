"""Which rows to keep: pure functions over content hashes, labels and blankness."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Set
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
    """How many rows were taken out, by reason; a row counts under the first that holds.

    ``prepare`` cleans the training split only. ``merge`` counts the rows of every split, and as ``left_out`` those
    whose label was not wanted.
    """

    blank: int = 0
    in_evaluation: int = 0
    conflicting: int = 0
    repeated: int = 0
    left_out: int = 0

    @property
    def total(self) -> int:
        """All rows that were taken out."""
        return sum(count for _, count in self)


def keep_for_training(splits: Mapping[str, Contents], one_label: bool = True) -> tuple[list[int], Dropped]:
    """Return the training rows to keep, in order, and how many were dropped for which reason.

    Dropped are blank rows, rows whose content also stands in another split, every row of a content that carries
    several labels (only with ``one_label``; people may well differ about a text), and all but the first of equal rows.
    Other splits stay as published, so that figures on them compare with everybody else's.
    """
    train = splits[TRAIN]
    elsewhere = {key for name, other in splits.items() if name != TRAIN for key in other.keys}
    reasons = drop_reasons(train, elsewhere, contradictory(train) if one_label else set())
    counts = Counter(filter(None, reasons))
    return [row for row, reason in enumerate(reasons) if reason is None], Dropped(**counts)


def contradictory(*parts: Contents) -> set[str]:
    """Return the contents that carry several labels among all rows of these parts."""
    labels: defaultdict[str, set[str]] = defaultdict(set)
    for part in parts:
        for key, label in zip(part.keys, part.labels, strict=True):
            labels[key].add(label)
    return {key for key, told in labels.items() if len(told) > 1}


def drop_reasons(rows: Contents, elsewhere: Set[str], conflicting: Set[str]) -> list[str | None]:
    """Return, for each row, the first of the four reasons below that holds, or None where the row is to be kept."""
    seen: set[tuple[str, str]] = set()
    reasons: list[str | None] = []
    for key, label, blank in zip(rows.keys, rows.labels, rows.blank, strict=True):
        holds = {
            "blank": blank,
            "in_evaluation": key in elsewhere,
            "conflicting": key in conflicting,
            "repeated": (key, label) in seen,
        }
        reasons.append(next((name for name, held in holds.items() if held), None))
        if reasons[-1] is None:
            seen.add((key, label))
    return reasons
