"""What tables say of labelled rows besides their class, such as age or sex: found by column, joined by path."""

from __future__ import annotations

import posixpath
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from clip_emotion.data.cards import load_card
from clip_emotion.data.layouts import cell_path
from clip_emotion.data.sources import Source, open_source
from clip_emotion.data.tables import find_table, is_table
from clip_emotion.errors import UsageError
from clip_emotion.files import expanded
from clip_emotion.retrieval.evaluation.selection import RowSelection
from clip_emotion.text import nfc

PREFIX = "fact:"
"""What stands before a fact's column among our own names of columns, so that none is taken for another."""


def fact_columns(selection: RowSelection) -> dict[str, Sequence[str]]:
    """Return the columns that the rows keep, as ``find_table`` takes them; none where another table holds them."""
    return {f"{PREFIX}{name}": (name,) for name in selection.facts} if selection.metadata is None else {}


def facts_of(cells: Mapping[str, str]) -> dict[str, str]:
    """Return the facts among the cells of a row."""
    return {name.removeprefix(PREFIX): cell for name, cell in cells.items() if name.startswith(PREFIX)}


def with_facts(splits: Any, source: Source | None, selection: RowSelection) -> Any:
    """Give every image row the facts that are asked for, from the table that has them.

    Rows of a table that has the columns have them already. Raises UsageError where no table has a column.
    """
    if not selection.facts:
        return splits
    rows = [row for part in splits.values() for row in part]
    told = {name for row in rows for name in row.facts}
    missing = [name for name in selection.facts if name not in told]
    if not missing:
        return splits
    if not rows or not hasattr(rows[0], "name"):
        raise UsageError(f"The texts' table has no column {', '.join(missing)}: name a column that it has.")
    facts = _read(source, selection, missing)
    joined = {
        split: [replace(row, facts={**row.facts, **facts.get(_key(row.name), {})}) for row in part]
        for split, part in splits.items()
    }
    if not any(row.facts for part in joined.values() for row in part):
        raise UsageError("The table's paths name no picture of the data: its column path must hold their paths.")
    return joined


def _read(source: Source | None, selection: RowSelection, names: Sequence[str]) -> dict[str, dict[str, str]]:
    if selection.metadata is not None:
        with open_source(expanded(selection.metadata)) as own:
            return _joined_by_path(own, names, str(selection.metadata))
    return _joined_by_path(source, names, "the data")


def _joined_by_path(source: Source | None, names: Sequence[str], where: str) -> dict[str, dict[str, str]]:
    columns = {"path": load_card("image_csv").columns["path"], **{f"{PREFIX}{name}": (name,) for name in names}}
    for name in filter(is_table, source.names() if source is not None else ()):
        table = find_table(source, name, columns, required=list(columns)) if source is not None else None
        if table is None:
            continue
        found = {}
        for _, cells in table.rows():
            if cells is not None:
                path = posixpath.normpath(posixpath.join(posixpath.dirname(name), cell_path(cells["path"])))
                found[_key(path)] = facts_of(cells)
        return found
    raise UsageError(
        f"No table in {where} has the columns path and {', '.join(names)}: name one that has with --metadata FILE.csv."
    )


def _key(path: str) -> str:
    return nfc(Path(path).as_posix())
