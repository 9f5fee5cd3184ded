"""Which basic emotions a label belongs to, learnt from how annotators put labels side by side on one text."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import numpy as np
from pydantic import Field

from clip_emotion.arrays import FloatArray, IntArray
from clip_emotion.config import Config
from clip_emotion.data.sources import open_source
from clip_emotion.data.tables import find_table, is_table
from clip_emotion.errors import DataError
from clip_emotion.text import nfc
from clip_emotion.vocabulary import Vocabulary


class FamilyRule(Config):
    """When a label belongs to a basic emotion's family; every condition must hold."""

    min_lift: float = Field(default=1.25, ge=1, description="together at least this often, as a multiple of chance")
    near_best: float = Field(default=2 / 3, ge=0, le=1, description="lift at least this share of the label's best lift")
    max_q: float = Field(default=0.01, gt=0, le=1, description="false discovery rate of the whole table")
    min_count: int = Field(default=10, ge=1, description="texts that carry both labels")
    at_most: int = Field(default=3, ge=1, description="families kept, best lift first")


@dataclass(frozen=True)
class Association:
    """How labels go with basic emotions: ``counts`` [labels], ``together``, ``lift`` and ``q`` [labels, basics]."""

    counts: IntArray
    together: IntArray
    lift: FloatArray
    q: FloatArray


def cooccurrence(labels: Sequence[Sequence[int]], n: int) -> IntArray:
    """Count the texts that carry both of two labels: int64 [n, n], each label's own count on the diagonal.

    A label that one text names twice counts once. Raises DataError for a label outside 0 … n-1.
    """
    carries = np.zeros((len(labels), n), dtype=np.int64)
    for row, indices in enumerate(labels):
        for index in indices:
            if not 0 <= index < n:
                raise DataError(f"Row {row + 1} has label {index}: with {n} labels they run from 0 to {n - 1}.")
            carries[row, index] = 1
    together: IntArray = carries.T @ carries
    return together


def lift_matrix(labels: Sequence[Sequence[int]], n: int) -> FloatArray:
    """Return lift(a, b) = P(a, b) / (P(a) P(b)) of every two labels over the texts: float64 [n, n].

    1 means as often together as chance would have it; NaN where one of the two labels never occurs.
    Brin, Motwani, Ullman and Tsur (1997), "Dynamic itemset counting and implication rules for market basket data".
    """
    return _lift(cooccurrence(labels, n), len(labels))


def _lift(together: IntArray, rows: int) -> FloatArray:
    counts = together.diagonal()
    by_chance = np.outer(counts, counts).astype(np.float64)
    by_chance[by_chance == 0] = np.nan
    return together * float(rows) / by_chance


def associate(labels: Sequence[Sequence[int]], basics: Sequence[int], n: int) -> Association:
    """Measure how each of n labels goes with each basic one, the basic labels themselves included.

    ``q`` is the one-sided Fisher exact p-value of lift > 1, after Benjamini and Hochberg (1995) over every pair of
    a label that is not basic with a basic one; it is 1 in the rows of the basic labels, which are not tested.
    """
    from scipy.stats import false_discovery_control, hypergeom

    whole = cooccurrence(labels, n)
    together, counts, rows = whole[:, basics], whole.diagonal().copy(), len(labels)
    # Undefined only where there are no texts at all, and nothing is shown by nothing.
    p = np.nan_to_num(hypergeom.sf(together - 1, rows, counts[basics][None, :], counts[:, None]), nan=1.0)
    tested = np.ones(n, dtype=bool)
    tested[list(basics)] = False
    q = np.ones_like(p)
    if tested.any():
        q[tested] = false_discovery_control(p[tested].clip(0, 1).ravel()).reshape(-1, len(basics))
    return Association(counts=counts, together=together, lift=_lift(whole, rows)[:, basics], q=q)


def derive_families(
    labels: Sequence[Sequence[int]], basics: Mapping[str, int], n: int, rule: FamilyRule | None = None
) -> list[tuple[str, ...]]:
    """Return each label's families, best first: the basic emotions it goes with beyond chance and near its best.

    ``basics`` maps a family's name to the label that stands for it; such a label's only family is itself. A label
    may end with none. Raises DataError for a label outside 0 … n-1.
    """
    found = associate(labels, list(basics.values()), n)
    return families_of(found, basics, rule or FamilyRule())


def families_of(found: Association, basics: Mapping[str, int], rule: FamilyRule) -> list[tuple[str, ...]]:
    """Apply the rule to a measured association; see ``derive_families``."""
    names, own = list(basics), {index: name for name, index in basics.items()}
    lift = np.nan_to_num(found.lift, nan=0.0)
    enough = (lift >= rule.min_lift) & (found.q <= rule.max_q) & (found.together >= rule.min_count)
    near = lift >= rule.near_best * lift.max(axis=1, where=enough, initial=0.0, keepdims=True)
    families = []
    for index, belongs in enumerate(enough & near):
        ranked = sorted(np.flatnonzero(belongs), key=lambda column: -lift[index, column])
        families.append((own[index],) if index in own else tuple(names[column] for column in ranked[: rule.at_most]))
    return families


def basics_in(vocabulary: Vocabulary, basic: Vocabulary) -> dict[str, int]:
    """Find the label of a vocabulary that stands for each basic emotion: basic key → position in the vocabulary.

    Raises DataError where the vocabulary has no word for one of them.
    """
    found = {}
    for emotion in basic.labels:
        matches = (vocabulary.match(alias) for alias in (*emotion.names.values(), emotion.key))
        label = next((match for match in matches if match is not None), None)
        if label is None:
            raise DataError(f"Vocabulary '{vocabulary.name}' has no word for '{emotion.key}': add it as a synonym.")
        found[emotion.key] = vocabulary.index(label.key)
    return found


def read_label_lists(source: Path, vocabulary: Vocabulary, rows: int | None = None) -> list[list[int]]:
    """Read the ``labels`` column of a table (.tsv, .csv, .gz too): comma lists of positions or words of the vocabulary.

    Reads the first ``rows`` texts, or all. Raises DataError when the file or a label cannot be read.
    """
    with open_source(source) as opened:
        name = source.name
        table = find_table(opened, nfc(name), {"labels": ["labels"]}, ["labels"]) if is_table(name) else None
        if table is None:
            raise DataError(f"{source} has no column 'labels': give a table (.tsv, .csv) with a header row.")
        lists = [
            [_position(word, vocabulary, source, line) for word in _words((cells or {}).get("labels"))]
            for line, cells in islice(table.rows(), rows)
        ]
    if rows is not None and len(lists) < rows:
        raise DataError(f"{source} has {len(lists)} rows, fewer than the {rows} asked for: lower --rows.")
    return lists


def _words(cell: str | None) -> Iterator[str]:
    return (word.strip() for word in (cell or "").split(",") if word.strip())


def _position(word: str, vocabulary: Vocabulary, source: Path, line: int) -> int:
    if word.isdecimal() and int(word) < len(vocabulary):
        return int(word)
    label = None if word.isdecimal() else vocabulary.match(word)
    if label is None:
        raise DataError(f"{source}, line {line}: '{word}' is not a label of '{vocabulary.name}'.")
    return vocabulary.index(label.key)
