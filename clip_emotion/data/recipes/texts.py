"""Text layouts: tables with or without header, Hub parquet files and saved Hugging Face data sets."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import PurePosixPath
from typing import Any

from datasets import ClassLabel, Features, Value
from datasets import Sequence as ListOf

from clip_emotion.data.cards import Card
from clip_emotion.data.content_keys import content_key
from clip_emotion.data.layouts import labels_in_cell, split_of_file
from clip_emotion.data.recipes.base import Reading, Request, Row, Skipped, place_of, unknown_labels, vocabularies_for
from clip_emotion.data.sources import Source
from clip_emotion.data.tables import Table, find_table, headerless_table, is_table, width_of
from clip_emotion.errors import DataError, UsageError
from clip_emotion.text import fold, nfc
from clip_emotion.vocabulary import Vocabulary

LOWEST, HIGHEST = 1, 10
"""The range of a rating."""


@dataclass(frozen=True, slots=True)
class Raw:
    """One row as a table, a parquet file or a Hub data set gives it; ``cells`` is None where it is too short."""

    split: str
    origin: str
    cells: dict[str, Any] | None


def read_text_table(source: Source, request: Request) -> Reading | None:
    """Read tables of text and labels (or rating), one a split, told by their names."""
    tables = text_tables(source, request.card, _required(request.card))
    if not tables:
        return None
    columns = set().union(*(table.columns for table in tables))
    return text_reading("text_table", request, columns, _table_rows(tables, request))


def text_tables(source: Source, card: Card, required: Sequence[str]) -> list[Table]:
    """Return the card's tables in a source: those its ``files`` patterns name, or the one file that was given."""
    names = [name for name in source.names() if is_table(name)]
    chosen = [name for name in names if any(fnmatch(PurePosixPath(name).name, pattern) for pattern in card.files)]
    found = (_text_table(source, name, card, required) for name in (chosen if len(names) > 1 else names))
    return [table for table in found if table]


def _text_table(source: Source, name: str, card: Card, required: Sequence[str]) -> Table | None:
    table = find_table(source, name, card.columns, required)
    if table or card.headerless is None:
        return table
    bare = headerless_table(source, name, card.headerless.columns, card.headerless.quoted)
    return bare if width_of(bare) >= len(card.headerless.columns) else None


def _table_rows(tables: Iterable[Table], request: Request) -> Iterator[Raw]:
    for table in tables:
        split = split_of_file(table.name) or request.default_split
        for line, cells in table.rows():
            yield Raw(split, f"{table.name}:{line}", cells)


def text_reading(layout: str, request: Request, columns: Iterable[str], raws: Iterable[Raw]) -> Reading:
    """Turn raw rows into a Reading with text, text_ko where there is one, and labels or rating."""
    features = {"text": Value("string")}
    if "text_ko" in columns:
        features["text_ko"] = Value("string")
    if "rating" in request.card.columns:
        features["rating"] = Value("int32")
        return Reading(layout, Features(features), (_rated(raw, list(features)) for raw in raws))
    vocabulary = vocabularies_for(request)[0]
    features["labels"] = ListOf(ClassLabel(names=list(vocabulary.keys)))
    rows = (_labelled(raw, vocabulary, request.card) for raw in raws)
    return Reading(layout, Features(features), _with_columns(rows, list(features)), vocabulary)


def _rated(raw: Raw, columns: list[str]) -> Row | Skipped:
    text = _text_of(raw, "text")
    if raw.cells is None or not text:
        return Skipped(raw.split, raw.origin, "empty text" if raw.cells else "too few cells")
    rating = str(raw.cells["rating"]).strip()
    if not rating.isdecimal() or not LOWEST <= int(rating) <= HIGHEST:
        return Skipped(raw.split, raw.origin, f"rating '{rating}' is not a number from {LOWEST} to {HIGHEST}")
    return Row(raw.split, {"text": text, "rating": int(rating)}, content_key(text.encode()), rating)


def _labelled(raw: Raw, vocabulary: Vocabulary, card: Card) -> Row | Skipped:
    text = _text_of(raw, "text")
    if raw.cells is None or not text:
        return Skipped(raw.split, raw.origin, "empty text" if raw.cells else "too few cells")
    places = label_places(raw.cells["labels"], vocabulary, card, raw.origin)
    if not places:
        return Skipped(raw.split, raw.origin, "no label")
    cells = {"text": text, "text_ko": _text_of(raw, "text_ko"), "labels": places}
    return Row(raw.split, cells, content_key(text.encode()), ",".join(map(str, places)))


def _with_columns(rows: Iterable[Row | Skipped], columns: list[str]) -> Iterator[Row | Skipped]:
    for row in rows:
        if isinstance(row, Row):
            cells = {column: row.cells[column] for column in columns}
            row = Row(row.split, cells, row.key, row.label, row.blank)
        yield row


def label_places(cell: Any, vocabulary: Vocabulary, card: Card, origin: str) -> list[int]:
    """Read labels from a comma list or a sequence of positions or names; sorted, each once.

    Raises UsageError, which names the row, for a label outside the vocabulary.
    """
    parts = labels_in_cell(cell) if isinstance(cell, str) else cell if isinstance(cell, Sequence) else [cell]
    places = set()
    for part in map(str, parts):
        word = nfc(part).strip()
        if not word:
            continue
        place = int(word) if word.isdecimal() else place_of(word, vocabulary, card.label_map)
        if place is None or place >= len(vocabulary):
            raise UsageError(f"{origin}: {unknown_labels([word], vocabulary)}")
        places.add(place)
    return sorted(places)


def _text_of(raw: Raw, column: str) -> str:
    return nfc(str((raw.cells or {}).get(column) or "")).strip()


def _required(card: Card) -> tuple[str, ...]:
    return ("text", "rating" if "rating" in card.columns else "labels")


def pick_columns(card: Card, headers: Sequence[str], origin: str) -> dict[str, str]:
    """Map our columns to the headers that file them; raises DataError when text or labels are not there."""
    folded = {fold(header): header for header in headers}
    found = {
        ours: folded[fold(spelling)]
        for ours, spellings in card.columns.items()
        for spelling in reversed(spellings)
        if fold(spelling) in folded
    }
    missing = [column for column in _required(card) if column not in found]
    if missing:
        raise DataError(f"{origin} has no column for {' and '.join(missing)}: it has {', '.join(headers)}.")
    return found
