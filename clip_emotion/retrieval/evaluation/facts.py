"""What tables say of labelled rows besides their class: given to the rows that are evaluated, and filtered by."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache
from pathlib import Path, PurePosixPath
from typing import Any

from clip_emotion.csv_text import shown_columns
from clip_emotion.data.facts import fact_spellings, facts_by_path, path_key
from clip_emotion.data.sources import FolderSource, Source, open_source
from clip_emotion.data.tables import header_of, is_table
from clip_emotion.errors import UsageError
from clip_emotion.files import expanded
from clip_emotion.retrieval.evaluation.selection import RowSelection
from clip_emotion.text import nfc


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
        split: [replace(row, facts={**row.facts, **facts.of(row, source)}) for row in part]
        for split, part in splits.items()
    }
    if not any(row.facts for part in joined.values() for row in part):
        where = selection.metadata or "the table"
        raise UsageError(
            f"The table's paths name no picture of the data: {where} has {next(iter(facts.by_path), 'none')}, the data "
            f"{rows[0].name}. Its column path must hold the pictures' paths, from its own folder or from the data's."
        )
    return joined


@dataclass(frozen=True)
class _Told:
    """Facts by ``path_key``, and the folder from which these paths start, where it is not that of the data."""

    by_path: Mapping[str, Mapping[str, str]]
    root: Path | None = None

    @cached_property
    def by_file(self) -> Mapping[str, Mapping[str, str]]:
        """The facts by the file that each path names from the table's own folder."""
        return {} if self.root is None else {_file(self.root, path): facts for path, facts in self.by_path.items()}

    def of(self, row: Any, source: Source | None) -> Mapping[str, str]:
        """Return the facts of a row: of its path as it is written, else of the file that it names."""
        found = self.by_path.get(path_key(row.name))
        if found is None and self.root is not None and isinstance(source, FolderSource):
            table = (row.place or "").rpartition(", line ")[0]
            found = self.by_file.get(_file(source.root / PurePosixPath(table).parent, row.name))
        return found or {}


def _read(source: Source | None, selection: RowSelection, names: Sequence[str]) -> _Told:
    if selection.metadata is None:
        return _Told(facts_by_path(source, names, "the data"))
    with open_source(expanded(selection.metadata)) as own:
        root = own.root if isinstance(own, FolderSource) else None
        return _Told(facts_by_path(own, names, str(selection.metadata)), root)


def _file(root: Path, name: str) -> str:
    """Return the file that a name from a folder means, whichever way leads there."""
    path = (root / name).absolute()
    return nfc(str(_real(path.parent) / path.name))


@lru_cache(maxsize=4096)
def _real(folder: Path) -> Path:
    return folder.resolve()
