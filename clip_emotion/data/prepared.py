"""Prepared data sets on disk: where they lie, how they are found and loaded, and the record beside each."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import Field

from clip_emotion.config import Config, validate
from clip_emotion.data.cards import list_cards
from clip_emotion.data.cleaning import Contents, Dropped
from clip_emotion.data.replacing import FolderKind
from clip_emotion.data.saved import MARK, saved_splits
from clip_emotion.errors import DataError, UsageError
from clip_emotion.resources import cache_dir
from clip_emotion.text import nfc

if TYPE_CHECKING:
    from datasets import DatasetDict

RECORD = "card.json"
MERGED = "card.yaml"
"""What lies besides in a set that ``merge`` made."""


class SkippedRow(Config):
    """A row of the source that could not be used."""

    split: str
    path: str
    reason: str


class PreparedRecord(Config):
    """What stands in ``card.json`` beside a prepared data set: its origin, and what was kept, dropped and skipped.

    ``passed_over`` counts files in the source that are no pictures, by suffix. ``fingerprint`` is a SHA-256 over split,
    content hash and label of every kept row, in order.
    """

    name: str
    title: str
    kind: str
    licence: str
    source: str
    layout: str
    vocabulary: str | None
    rows: dict[str, int]
    dropped: Dropped | None
    skipped: list[SkippedRow]
    fingerprint: str
    passed_over: dict[str, int] = Field(default_factory=dict)


def prepared_dir(name: str) -> Path:
    """Return the folder where a data set of this name is prepared unless told otherwise."""
    return cache_dir() / "prepared" / name


def find_prepared(name_or_path: str | Path) -> Path:
    """Return the folder of a prepared data set, given that folder or the name of its card.

    Raises DataError when it has not been prepared yet or a path does not exist, UsageError for an unknown name.
    """
    path = Path(name_or_path)
    if (path / MARK).is_file():
        return path
    name = nfc(str(name_or_path))
    target = prepared_dir(name)
    if name in list_cards():
        if (target / MARK).is_file():
            return target
        raise DataError(f"'{name}' is not prepared yet: run clip-emotion data prepare {name} --from PATH.")
    if path.exists():
        raise DataError(f"{path} is not a prepared data set: run clip-emotion data prepare NAME --from {path}.")
    # A name of a data set is one bare word: with a separator or a suffix it can only be meant as a path.
    if path.suffix or path.name != str(name_or_path):
        raise DataError(
            f"{name} does not exist: correct the path, or give a known data set ({', '.join(list_cards())})."
        )
    raise UsageError(f"'{name}' is neither a prepared folder nor a known data set ({', '.join(list_cards())}).")


def load_prepared(name_or_path: str | Path) -> DatasetDict:
    """Load a prepared data set by its card's name or by its folder; raises as ``find_prepared`` does."""
    import pyarrow as pa
    from datasets import DatasetDict

    path = find_prepared(name_or_path)
    saved_splits(path)
    try:
        return DatasetDict.load_from_disk(str(path))
    except (OSError, ValueError, KeyError, pa.ArrowException) as error:
        raise DataError(f"{path} is damaged ({type(error).__name__}): prepare it again.") from error


def load_record(name_or_path: str | Path) -> PreparedRecord | None:
    """Return the record beside a prepared data set, or None for a set that something else saved."""
    path = find_prepared(name_or_path) / RECORD
    if not path.is_file():
        return None
    try:
        return validate(PreparedRecord, json.loads(path.read_text(encoding="utf-8")), str(path))
    except ValueError as error:
        raise DataError(f"{path} is damaged: prepare the data set again.") from error


def _is_prepared(folder: Path) -> bool:
    try:
        return (folder / MARK).is_file() and load_record(folder) is not None
    except (DataError, UsageError):
        return False


def _files_of(folder: Path) -> set[str]:
    """Return the relative paths of the files that make up a prepared set."""
    parts = (path for split in saved_splits(folder) for path in (folder / split).glob("*") if _is_arrow_part(path.name))
    return {MARK, RECORD, MERGED, *(path.relative_to(folder).as_posix() for path in parts)}


def _is_arrow_part(name: str) -> bool:
    return name in ("state.json", "dataset_info.json") or name.endswith(".arrow")


PREPARED = FolderKind("prepared data set", _files_of, unmarked=_is_prepared)


def fingerprint(contents: Mapping[str, Contents]) -> str:
    """Return the SHA-256 over split, content hash and label of every row, in order."""
    digest = hashlib.sha256()
    for split, content in contents.items():
        for key, label in zip(content.keys, content.labels, strict=True):
            digest.update(f"{split}\t{key}\t{label}\n".encode())
    return digest.hexdigest()


def write_record(folder: Path, record: PreparedRecord) -> None:
    """Write ``card.json`` into a folder that is about to become a prepared data set."""
    text = json.dumps(record.model_dump(), ensure_ascii=False, indent=2) + "\n"
    (folder / RECORD).write_text(text, encoding="utf-8")
