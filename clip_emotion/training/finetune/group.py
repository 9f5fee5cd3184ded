"""Training on one group of people: which rows a condition keeps, and the validation splits cut into group and rest."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from datasets import Dataset, Value

from clip_emotion.csv_text import shown_columns
from clip_emotion.data.facts import facts_by_path, path_key
from clip_emotion.data.row_filter import parse_filter
from clip_emotion.data.sources import open_source
from clip_emotion.errors import DataError, UsageError
from clip_emotion.files import expanded
from clip_emotion.text import fold
from clip_emotion.training.finetune.config import ImagesConfig

KEPT = "in the group"
"""The column that tells whether a row is of the group, while splits are made."""
REST = "_rest"
"""What the name of a split ends in that holds those who are not of the group."""
NO_FACTS = ("image", "label", "sha")


def marked(rows: Dataset, own: Dataset, name: str, config: ImagesConfig) -> Dataset:
    """Return rows with the column ``KEPT`` by ``data.filter``, whose columns ``own`` or ``data.metadata`` have.

    Without a filter the rows come back as they are. Raises UsageError that names a column which neither has.
    """
    if config.filter is None:
        return rows
    chosen = parse_filter(config.filter)
    known = {fold(column): column for column in own.column_names if column not in NO_FACTS}
    elsewhere = [column for column in chosen.columns if fold(column) not in known]
    if elsewhere and config.metadata is None:
        raise UsageError(
            f"data.filter asks for {', '.join(elsewhere)}, which {name or 'the merged set'} does not have: it has "
            f"{shown_columns(list(known.values()))}; or name a table of path and further columns with data.metadata."
        )
    cells = {column: list(map(str, own[known[fold(column)]])) for column in chosen.columns if column not in elsewhere}
    told = _told(config, elsewhere)
    kept = [
        chosen.keeps({**{column: values[at] for column, values in cells.items()}, **told.get(path_key(path), {})})
        for at, path in enumerate(rows["path"])
    ]
    return rows.add_column(KEPT, kept, feature=Value("bool"))


def _told(config: ImagesConfig, columns: list[str]) -> dict[str, dict[str, str]]:
    if not columns or config.metadata is None:
        return {}
    table = config.folder / config.metadata
    with open_source(expanded(table)) as source:
        return facts_by_path(source, columns, str(table))


def places_of_group(rows: Dataset) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    """Return the places of the rows that are of the group; of all rows without a filter. Raises DataError for none."""
    if KEPT not in rows.column_names:
        return np.arange(len(rows))
    places = np.flatnonzero(np.asarray(rows[KEPT], dtype=bool))
    if not len(places):
        raise DataError(f"None of {len(rows):,} training images fits data.filter: change it, or give other data.")
    return places


def group_and_rest(splits: Mapping[str, Dataset]) -> dict[str, Dataset]:
    """Return each split cut into the group, under its own name, and the rest, under one that ends in ``_rest``.

    A part without rows is left out.
    """
    found: dict[str, Dataset] = {}
    for name, rows in splits.items():
        if KEPT not in rows.column_names:
            found[name] = rows
            continue
        kept, bare = np.asarray(rows[KEPT], dtype=bool), rows.remove_columns(KEPT)
        parts = {name: np.flatnonzero(kept), f"{name}{REST}": np.flatnonzero(~kept)}
        found |= {part: bare.select(places) for part, places in parts.items() if len(places)}
    return found
