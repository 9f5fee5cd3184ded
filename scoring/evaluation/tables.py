"""The published tables that conversations are evaluated on, and their dialogues."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import PurePosixPath

import numpy as np

from clip_emotion.data.sources import Source
from clip_emotion.data.tables import find_table, is_table
from clip_emotion.errors import DataError
from clip_emotion.text import fold

Row = dict[str, str]


@dataclass(frozen=True)
class TableSchema:
    """A table: the file names (without suffix) that it goes by, and its columns with their published spellings."""

    names: tuple[str, ...]
    columns: Mapping[str, tuple[str, ...]]


_DIALOGUE = {
    "dialogue": ("dialogue", "Dialogue_ID", "Scene_ID"),
    "text": ("text", "Utterance"),
    "emotion": ("emotion",),
}
_SENTIMENT = {**_DIALOGUE, "sentiment": ("sentiment",)}
_CHAT = {name: (name,) for name in ("turn1", "turn2", "turn3", "label")}

SCHEMAS: dict[str, TableSchema] = {
    "chatbot": TableSchema(("chatbot", "ChatbotData"), {"question": ("question", "Q"), "label": ("label",)}),
    "emocontext": TableSchema(("emocontext_train", "emocontext"), _CHAT),
    "meld_dev": TableSchema(("meld_dev", "dev_sent_emo"), _SENTIMENT),
    "meld_train": TableSchema(("meld_train", "train_sent_emo"), _SENTIMENT),
    "emorynlp_dev": TableSchema(("emorynlp_dev",), _DIALOGUE),
    "emorynlp_train": TableSchema(("emorynlp_train",), _DIALOGUE),
}


@dataclass
class Tables:
    """The tables in a source. ``limit`` draws so many rows or dialogues of each, with ``seed``."""

    source: Source
    limit: int | None = None
    seed: int = 0
    notices: list[str] = field(default_factory=list)

    def has(self, name: str) -> bool:
        """Tell whether one of the files that this table goes by is there."""
        return self._file(name) is not None

    def rows(self, name: str) -> list[Row]:
        """Return all rows of a table; raises DataError where it is missing or lacks a column."""
        file, schema = self._file(name), SCHEMAS[name]
        if file is None:
            raise DataError(f"{self.source.location} holds no table {' or '.join(schema.names)}.")
        table = find_table(self.source, file, schema.columns, list(schema.columns))
        if table is None:
            raise DataError(f"{file} lacks one of the columns {', '.join(schema.columns)}: fetch it again.")
        rows = [row for _, row in table.rows()]
        whole = [row for row in rows if row is not None]
        if len(whole) < len(rows):
            self.notices.append(f"{file}: {len(rows) - len(whole)} row(s) with too few cells are left out.")
        return whole

    def drawn(self, count: int) -> list[int]:
        """Return the positions (ascending) that the limit leaves of so many rows or dialogues."""
        if self.limit is None or self.limit >= count:
            return list(range(count))
        chosen = np.random.default_rng(self.seed).choice(count, self.limit, replace=False)
        return sorted(map(int, chosen))

    def _file(self, name: str) -> str | None:
        wanted = set(map(fold, SCHEMAS[name].names))
        return next((file for file in self.source.names() if is_table(file) and fold(_stem(file)) in wanted), None)


def _stem(file: str) -> str:
    return PurePosixPath(file).name.split(".", 1)[0]


def read_rows(tables: Tables, name: str) -> list[Row]:
    """Return the rows of a table, or those that the limit leaves."""
    rows = tables.rows(name)
    return [rows[at] for at in tables.drawn(len(rows))]


@dataclass(frozen=True)
class DialogueSet:
    """A table of dialogues whose ``column`` says of each turn what ``signs`` calls negative, neutral or positive."""

    table: str
    column: str
    signs: Mapping[str, int]
    part: str


@dataclass(frozen=True, slots=True)
class Dialogue:
    """The turns' texts and their signs: -1 negative, 0 neutral, 1 positive."""

    texts: Sequence[str]
    signs: Sequence[int]


def read_dialogues(tables: Tables, wanted: DialogueSet) -> list[Dialogue]:
    """Return the dialogues of a table in their order, or those that the limit leaves.

    A turn with another label than the published ones raises DataError.
    """
    turns: dict[str, list[tuple[str, int]]] = {}
    for row in tables.rows(wanted.table):
        sign = wanted.signs.get(fold(row[wanted.column]))
        if sign is None:
            known = ", ".join(wanted.signs)
            raise DataError(f"{wanted.table}: unknown {wanted.column} '{row[wanted.column]}', expected {known}.")
        turns.setdefault(row["dialogue"], []).append((row["text"], sign))
    found = [Dialogue(*zip(*turn, strict=True)) for turn in turns.values()]
    return [found[at] for at in tables.drawn(len(found))]
