"""Hub layouts: a local folder of parquet files, a saved Hugging Face data set, and the Hub itself."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pyarrow.parquet
from datasets import ClassLabel, Dataset, DatasetDict, load_from_disk

from clip_emotion.data.cards import Card, HubSource
from clip_emotion.data.layouts import split_named, split_of_file
from clip_emotion.data.recipes.base import Reading, Request
from clip_emotion.data.recipes.texts import Raw, pick_columns, text_reading
from clip_emotion.data.saved import MARK, saved_splits
from clip_emotion.data.sources import Source
from clip_emotion.errors import DataError, UsageError

BATCH = 1000
SAVED = (MARK, "state.json")


def read_parquet(source: Source, request: Request) -> Reading | None:
    """Read parquet files, one or more a split, told by their names or folders; label codes are the card's order."""
    names = [name for name in source.names() if name.lower().endswith(".parquet")]
    if not names:
        return None
    columns = {name: pick_columns(request.card, _schema_of(source, name), name) for name in names}
    rows = _parquet_rows(source, columns, request)
    return text_reading("parquet", request, set().union(*columns.values()), rows)


def _schema_of(source: Source, name: str) -> list[str]:
    with source.open(name) as stream:
        return list(_parquet(stream, name).schema_arrow.names)


def _parquet(stream: Any, name: str) -> Any:
    try:
        return pyarrow.parquet.ParquetFile(stream)
    except (pyarrow.ArrowException, OSError) as error:
        raise DataError(f"{name} is not a readable parquet file: fetch it again.") from error


def _parquet_rows(source: Source, columns: Mapping[str, dict[str, str]], request: Request) -> Iterator[Raw]:
    for name, found in columns.items():
        split = split_of_file(name) or request.default_split
        with source.open(name) as stream:
            rows = _plain_rows(_parquet(stream, name), list(found.values()), name)
            yield from _raws(rows, found, split, name)


def _plain_rows(file: Any, columns: list[str], name: str) -> Iterator[dict[str, Any]]:
    try:
        for batch in file.iter_batches(BATCH, columns=columns):
            yield from batch.to_pylist()
    except (pyarrow.ArrowException, OSError, ValueError) as error:
        raise DataError(f"{name} has a damaged page ({_first_line(error)}): fetch it again.") from error


def _first_line(error: BaseException) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0][:120]


def _raws(rows: Iterator[dict[str, Any]], columns: dict[str, str], split: str, origin: str) -> Iterator[Raw]:
    for number, row in enumerate(rows, 1):
        yield Raw(split, f"{origin}:{number}", {ours: row[theirs] for ours, theirs in columns.items()})


def read_saved(source: Source, request: Request) -> Reading | None:
    """Read a folder written by ``save_to_disk``."""
    folder = source.location
    if not folder.is_dir() or not any((folder / name).is_file() for name in SAVED):
        return None
    if (folder / MARK).is_file():
        saved_splits(folder)
    try:
        return dataset_reading("saved", load_from_disk(str(folder)), request)
    except (OSError, ValueError, KeyError, pyarrow.ArrowException) as error:
        raise DataError(f"{folder} is a saved data set, but a damaged one: fetch it again.") from error


def dataset_reading(layout: str, loaded: Dataset | DatasetDict, request: Request) -> Reading:
    """Read text rows from a loaded Hugging Face data set, its label names matched to the card's vocabulary."""
    splits = loaded if isinstance(loaded, DatasetDict) else DatasetDict({request.default_split: loaded})
    columns = {
        split: pick_columns(request.card, data.column_names, f"Split '{split}'") for split, data in splits.items()
    }

    def rows() -> Iterator[Raw]:
        for split, data in splits.items():
            named = (_with_names(row, columns[split], data) for row in data)
            yield from _raws(named, columns[split], split_named(split) or split, split)

    return text_reading(layout, request, set().union(*columns.values()), rows())


def _with_names(row: dict[str, Any], columns: dict[str, str], data: Dataset) -> dict[str, Any]:
    """Replace label codes by the names that the data set itself gives them, so that the order cannot mislead."""
    theirs = columns.get("labels", "")
    feature = data.features.get(theirs)
    feature = getattr(feature, "feature", feature)
    if not isinstance(feature, ClassLabel):
        return row
    codes = row[theirs] if isinstance(row[theirs], list) else [row[theirs]]
    return {**row, theirs: [feature.int2str(code) for code in codes]}


def hub_source(card: Card, location: str) -> HubSource:
    """Return what ``hub:`` or ``hub:owner/name`` means; raises UsageError when the card names no Hub data set."""
    wanted = location.removeprefix("hub:").strip("/")
    if wanted and (card.hub is None or wanted != card.hub.id):
        return HubSource(id=wanted)
    if card.hub is None:
        raise UsageError(f"Data set '{card.name}' has no Hub id: give it as hub:owner/name.")
    return card.hub


def load_hub(source: HubSource, cache: Path | None = None) -> DatasetDict:
    """Load a data set from the Hugging Face Hub; raises DataError with one sentence when it cannot be had."""
    from datasets import load_dataset

    # The client logs a page for every retry; one sentence at the end says the same.
    logger = logging.getLogger("huggingface_hub")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        return load_dataset(source.id, source.config, revision=source.revision, cache_dir=str(cache) if cache else None)
    except Exception as error:
        raise DataError(
            f"Cannot load '{source.id}' from the Hugging Face Hub ({type(error).__name__}): "
            "check the connection and the name, or fetch its files elsewhere and give them with --from."
        ) from error
    finally:
        logger.setLevel(level)
