"""What every recipe receives and gives, and how raw class names become labels."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from datasets import Features

from clip_emotion.data.cards import Card
from clip_emotion.errors import UsageError
from clip_emotion.vocabulary import Vocabulary

OPEN_VOCABULARIES = ("basic7", "basic8")
"""Tried in this order where a card names no vocabulary."""


@dataclass(frozen=True)
class Request:
    """What is to be read and how: the card, the user's own vocabulary if any, the split of rows that name none."""

    card: Card
    vocabulary: Vocabulary | None = None
    default_split: str = "train"


@dataclass(frozen=True, slots=True)
class Row:
    """One usable row: its cells as Arrow stores them, and what cleaning compares.

    ``key`` is a hash of the content (pixels or text), ``label`` the label or labels as one string.
    """

    split: str
    cells: dict[str, Any]
    key: str
    label: str
    blank: bool = False


@dataclass(frozen=True, slots=True)
class Skipped:
    """One row that cannot be used, and why."""

    split: str
    path: str
    reason: str


@dataclass(frozen=True)
class Reading:
    """A source understood: which layout it has, the features of its rows and the rows themselves, read as needed."""

    layout: str
    features: Features
    rows: Iterator[Row | Skipped]
    vocabulary: Vocabulary | None = None
    passed_over: Mapping[str, int] = field(default_factory=dict)
    """How many files beside the pictures are none, by suffix."""


def match_labels(request: Request, raw: Iterable[str]) -> tuple[Vocabulary, dict[str, int]]:
    """Find the vocabulary that knows every raw class name, and each name's position in it.

    Raises UsageError that names the classes which no label matches.
    """
    wanted = sorted(set(raw))
    for vocabulary in vocabularies_for(request):
        places = {name: place_of(name, vocabulary, request.card.label_map) for name in wanted}
        unknown = [name for name, place in places.items() if place is None]
        if not unknown:
            return vocabulary, {name: place for name, place in places.items() if place is not None}
    raise UsageError(unknown_labels(unknown, vocabulary))


def vocabularies_for(request: Request) -> list[Vocabulary]:
    """Return the vocabularies to try: the user's own, else the card's, else the basic ones from small to large."""
    if request.vocabulary is not None:
        return [request.vocabulary]
    names = [request.card.vocabulary] if request.card.vocabulary else OPEN_VOCABULARIES
    return [Vocabulary.load(name) for name in names]


def place_of(raw: str, vocabulary: Vocabulary, label_map: Mapping[str, str]) -> int | None:
    """Return the position of the label that a raw class name or published code means, or None."""
    label = vocabulary.match(raw) or vocabulary.match(label_map.get(raw.strip(), raw))
    return vocabulary.index(label.key) if label else None


def unknown_labels(unknown: Sequence[str], vocabulary: Vocabulary) -> str:
    """Say which classes no label matches, and what to do about it."""
    shown = ", ".join(f"'{name}'" for name in unknown[:8]) + (f" and {len(unknown) - 8} more" if unknown[8:] else "")
    return (
        f"No label of vocabulary '{vocabulary.name}' matches {shown}: it has {', '.join(vocabulary.keys[:12])}; "
        "rename the classes, or name them all with --labels or --vocab."
    )
