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
class SourceSplit:
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


def decide(parts: Sequence[SourceSplit]) -> None:
    """Set on every part, for each row, why it is dropped, or None where it stays; ``merge`` tells the rules."""
    published = sorted((part for part in parts if part.published), key=lambda part: _evaluation_rank(part.split))
    holders: dict[str, tuple[str, str, str]] = {}
    for part in published:
        part.reasons = [
            _published_reason(part, label, holders.setdefault(key, (part.split, part.source, label)))
            for key, label in zip(part.contents.keys, part.contents.labels, strict=True)
        ]
    held = [part for part in parts if not part.published and part.split != TRAIN]
    training = [part for part in parts if part.split == TRAIN]
    conflicting = contradictory(*(part.contents for part in [*held, *training]))
    _clean(held, set(holders), conflicting)
    _clean(training, holders.keys() | {key for part in held for key in part.contents.keys}, conflicting)


def _evaluation_rank(split: str) -> tuple[int, str]:
    return (EVALUATION_ORDER.index(split) if split in EVALUATION_ORDER else len(EVALUATION_ORDER), split)


def _published_reason(part: SourceSplit, label: str, holder: tuple[str, str, str]) -> str | None:
    split, source, first_label = holder
    if split != part.split:
        return "in_evaluation"
    if source == part.source:
        return None
    return "repeated" if label == first_label else "conflicting"


def _clean(parts: Sequence[SourceSplit], elsewhere: Set[str], conflicting: Set[str]) -> None:
    joined = Contents()
    for part in parts:
        for row in zip(part.contents.keys, part.contents.labels, part.contents.blank, strict=True):
            joined.add(*row)
    reasons = iter(drop_reasons(joined, elsewhere, conflicting))
    for part in parts:
        part.reasons = list(islice(reasons, len(part.rows)))
