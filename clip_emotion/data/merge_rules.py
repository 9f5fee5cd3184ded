"""Which rows of several picture sets stay when the sets become one: pure functions over hashes and labels."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence, Set
from dataclasses import dataclass, field
from itertools import islice

from datasets import Dataset

from clip_emotion.data.cleaning import TRAIN, Contents, contradictory, drop_reasons

TEST = "test"
LEFT_OUT = "left_out"
EVALUATION_ORDER = (TEST, "validation")
"""Which evaluation split keeps a picture that stands in several; others come after these."""


@dataclass
class Shelf:
    """Rows of one source that go to one split: their places in ``data``, and why each is dropped, if it is.

    ``contents`` hold the rows' labels as positions in the common vocabulary. ``published`` rows stood in an evaluation
    split before.
    """

    source: str
    split: str
    data: Dataset
    published: bool
    rows: list[int] = field(default_factory=list)
    contents: Contents = field(default_factory=Contents)
    reasons: list[str | None] = field(default_factory=list)
    left_out: int = 0

    def kept(self) -> Iterator[tuple[int, str]]:
        """Yield the rows to keep, each with its label."""
        for row, label, reason in zip(self.rows, self.contents.labels, self.reasons, strict=True):
            if reason is None:
                yield row, label

    def label_counts(self, labels: Sequence[str]) -> Counter[str]:
        """Return how many kept rows carry each of the common vocabulary's labels."""
        counts = Counter(int(label) for _, label in self.kept())
        return Counter({key: counts[place] for place, key in enumerate(labels)})

    def drop_counts(self) -> Counter[str]:
        """Return how many rows are dropped for each reason."""
        counts = Counter(reason for reason in self.reasons if reason)
        return counts + Counter({LEFT_OUT: self.left_out})


def decide(shelves: Sequence[Shelf]) -> None:
    """Set on every shelf, for each row, why it is dropped, or None where it stays; ``merge`` tells the rules."""
    published = sorted((shelf for shelf in shelves if shelf.published), key=lambda shelf: _evaluation_rank(shelf.split))
    holders: dict[str, tuple[str, str, str]] = {}
    for shelf in published:
        shelf.reasons = [
            _published_reason(shelf, label, holders.setdefault(key, (shelf.split, shelf.source, label)))
            for key, label in zip(shelf.contents.keys, shelf.contents.labels, strict=True)
        ]
    held = [shelf for shelf in shelves if not shelf.published and shelf.split != TRAIN]
    training = [shelf for shelf in shelves if shelf.split == TRAIN]
    conflicting = contradictory(*(shelf.contents for shelf in [*held, *training]))
    _clean(held, set(holders), conflicting)
    _clean(training, holders.keys() | {key for shelf in held for key in shelf.contents.keys}, conflicting)


def _evaluation_rank(split: str) -> tuple[int, str]:
    return (EVALUATION_ORDER.index(split) if split in EVALUATION_ORDER else len(EVALUATION_ORDER), split)


def _published_reason(shelf: Shelf, label: str, holder: tuple[str, str, str]) -> str | None:
    split, source, first_label = holder
    if split != shelf.split:
        return "in_evaluation"
    if source == shelf.source:
        return None
    return "repeated" if label == first_label else "conflicting"


def _clean(shelves: Sequence[Shelf], elsewhere: Set[str], conflicting: Set[str]) -> None:
    joined = Contents()
    for shelf in shelves:
        for row in zip(shelf.contents.keys, shelf.contents.labels, shelf.contents.blank, strict=True):
            joined.add(*row)
    reasons = iter(drop_reasons(joined, elsewhere, conflicting))
    for shelf in shelves:
        shelf.reasons = list(islice(reasons, len(shelf.rows)))
