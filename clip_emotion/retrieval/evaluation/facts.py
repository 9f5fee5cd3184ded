"""What tables say of labelled rows besides their class: given to the rows that are evaluated, and filtered by."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from clip_emotion.csv_text import shown_columns
from clip_emotion.data.facts import fact_spellings, facts_by_path, path_key
from clip_emotion.data.sources import Source, open_source
from clip_emotion.data.tables import header_of, is_table
from clip_emotion.errors import UsageError
from clip_emotion.files import expanded
from clip_emotion.retrieval.evaluation.selection import RowSelection


def fact_columns(selection: RowSelection) -> dict[str, Sequence[str]]:
    """Return the columns that the rows keep, as ``find_table`` takes them; none where another table holds them."""
    return fact_spellings(selection.facts) if selection.metadata is None else {}


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
        tables = [name for name in source.names() if is_table(name)] if source is not None else []
        has = f"it has {shown_columns(header_of(source, tables[0]))}" if source and tables else "name one that it has"
        raise UsageError(f"The texts' table has no column {', '.join(missing)}: {has}.")
    facts = _read(source, selection, missing)
    joined = {
        split: [replace(row, facts={**row.facts, **facts.get(path_key(row.name), {})}) for row in part]
        for split, part in splits.items()
    }
    if not any(row.facts for part in joined.values() for row in part):
        raise UsageError("The table's paths name no picture of the data: its column path must hold their paths.")
    return joined


def _read(source: Source | None, selection: RowSelection, names: Sequence[str]) -> dict[str, dict[str, str]]:
    if selection.metadata is not None:
        with open_source(expanded(selection.metadata)) as own:
            return facts_by_path(own, names, str(selection.metadata))
    return facts_by_path(source, names, "the data")
