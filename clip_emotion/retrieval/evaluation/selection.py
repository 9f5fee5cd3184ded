"""Which rows and columns of labelled data are wanted."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeVar

import numpy as np

from clip_emotion.data.layouts import split_named
from clip_emotion.data.row_filter import RowFilter
from clip_emotion.errors import UsageError
from clip_emotion.evaluation.groups import GroupBy

WHOLE = "all"
"""The name of the only split where the data has none, and of all splits together."""
TEXT_COLUMNS = ("text", "text_ko", "text_en", "sentence", "comment", "document", "문장", "댓글", "텍스트")
LABEL_COLUMNS = ("labels", "label", "emotion", "class", "라벨", "레이블", "감정")
Row = TypeVar("Row")


@dataclass(frozen=True)
class RowSelection:
    """Which rows and columns of the data are wanted.

    ``split`` None means the first of ``prefer`` that there is, else the only one; ``rows`` is a slice such as
    ``-1000:``; ``limit`` draws so many rows at random with ``seed``; columns None means the usual names,
    ``text_<language>`` first. ``facts`` are further columns that each row keeps, of the data's own tables or of the
    table ``metadata``. Only rows that ``filter`` keeps count, before ``rows`` and ``limit`` choose among them.
    """

    split: str | None = None
    rows: str | None = None
    limit: int | None = None
    seed: int = 0
    text_column: str | None = None
    label_column: str | None = None
    language: str = "auto"
    prefer: tuple[str, ...] = ("validation", "test")
    facts: tuple[str, ...] = ()
    metadata: Path | None = None
    filter: RowFilter | None = None

    def __post_init__(self) -> None:
        parse_slice(self.rows)

    def knowing(
        self, groups: Sequence[GroupBy], metadata: Path | None = None, filter: RowFilter | None = None
    ) -> RowSelection:
        """Return the selection with the columns of groups and a filter, which the table ``metadata`` may hold."""
        columns = (*(group.column for group in groups), *(filter.columns if filter else ()))
        return replace(self, facts=tuple(dict.fromkeys(columns)), metadata=metadata, filter=filter)

    def keeps(self, facts: Mapping[str, str]) -> bool:
        """Tell whether the filter, if any, keeps a row of which tables say this."""
        return self.filter is None or self.filter.keeps(facts)

    def text_columns(self) -> tuple[str, ...]:
        """Return the headers under which the text may stand, the best first."""
        if self.text_column:
            return (self.text_column,)
        return TEXT_COLUMNS if self.language == "auto" else (f"text_{self.language}", *TEXT_COLUMNS)

    def label_columns(self) -> tuple[str, ...]:
        """Return the headers under which the labels may stand, the best first."""
        return (self.label_column,) if self.label_column else LABEL_COLUMNS


def pick_split(there: list[str], selection: RowSelection, data: str) -> str:
    """Return the name of the wanted split among those that are there; raises UsageError where there is none."""
    if selection.split is not None:
        name = selection.split if selection.split in there else split_named(selection.split) or selection.split
        if name in there or name == WHOLE:
            return name
        raise UsageError(f"{data} has no split '{selection.split}': it has {', '.join(there)}.")
    for name in selection.prefer:
        if name in there:
            return name
    if len(there) == 1:
        return there[0]
    raise UsageError(f"{data} has the splits {', '.join(there)}: choose one with --split.")


def parse_slice(text: str | None) -> slice:
    """Read ``start:stop`` as Python does (``-1000:`` is the last thousand); None means every row."""
    if text is None:
        return slice(None)
    if not re.fullmatch(r"\s*-?\d*\s*:\s*-?\d*\s*", text):
        raise UsageError(f"--rows {text} is not a slice: write start:stop, for example -1000: for the last 1000 rows.")
    start, stop = (int(part) if part.strip() else None for part in text.split(":"))
    return slice(start, stop)


def sample_rows(rows: list[Row], selection: RowSelection) -> list[Row]:
    """Draw the selection's ``limit`` of rows at random, in their order; all of them where there are no more."""
    if selection.limit is None or len(rows) <= selection.limit:
        return rows
    # Folders list one class after the other: the first rows would be of one class.
    kept = np.random.default_rng(selection.seed).choice(len(rows), size=selection.limit, replace=False)
    return [rows[place] for place in sorted(kept)]
