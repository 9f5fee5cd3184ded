"""What tables say of pictures besides their class, such as age or sex: found by column, joined by path."""

from __future__ import annotations

import posixpath
from collections.abc import Mapping, Sequence
from pathlib import PurePath

from clip_emotion.csv_text import shown_columns
from clip_emotion.data.cards import load_card
from clip_emotion.data.layouts import cell_path
from clip_emotion.data.sources import Source
from clip_emotion.data.tables import find_table, header_of, is_table
from clip_emotion.errors import UsageError
from clip_emotion.text import fold, nfc

PREFIX = "fact:"
"""What stands before a fact's column among our own names of columns, so that none is taken for another."""
MOST_TABLES = 3
"""Tables that an error lists."""


def fact_spellings(names: Sequence[str]) -> dict[str, Sequence[str]]:
    """Return the columns of facts as ``find_table`` takes them."""
    return {f"{PREFIX}{name}": (name,) for name in names}


def facts_of(cells: Mapping[str, str]) -> dict[str, str]:
    """Return the facts among the cells of a row."""
    return {name.removeprefix(PREFIX): cell for name, cell in cells.items() if name.startswith(PREFIX)}


def facts_by_path(source: Source | None, names: Sequence[str], where: str) -> dict[str, dict[str, str]]:
    """Return the facts of each picture, by ``path_key`` of its path, from the first table that has all the columns.

    Raises UsageError that names the columns, and those that the tables have, where none has them all.
    """
    columns = {"path": load_card("image_csv").columns["path"], **fact_spellings(names)}
    tables = [name for name in source.names() if is_table(name)] if source is not None else []
    for name in tables:
        table = find_table(source, name, columns, required=list(columns)) if source is not None else None
        if table is None:
            continue
        found = {}
        for _, cells in table.rows():
            if cells is not None:
                path = posixpath.normpath(posixpath.join(posixpath.dirname(name), cell_path(cells["path"])))
                found[path_key(path)] = facts_of(cells)
        return found
    headers = {name: header_of(source, name) for name in tables if source is not None}
    there = {fold(cell) for header in headers.values() for cell in header}
    lacking = [name for name in names if fold(name) not in there] or names
    known = "; ".join(f"{name} has {shown_columns(header)}" for name, header in list(headers.items())[:MOST_TABLES])
    raise UsageError(
        f"No table in {where} has the columns path and {', '.join(lacking)}{known and f' ({known})'}: name one that "
        "has with --metadata FILE.csv, in training with data.metadata."
    )


def path_key(path: str) -> str:
    """Return a path as it is compared: NFC, with forward slashes."""
    return nfc(PurePath(path).as_posix())
