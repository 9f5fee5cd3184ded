"""From raw files to Hugging Face data sets on disk, with a record of where every row went."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from datasets import DatasetDict

from clip_emotion.data.cards import Card, list_cards, load_card
from clip_emotion.data.cleaning import TRAIN, Contents, Dropped, keep_for_training
from clip_emotion.data.path_names import path_fault
from clip_emotion.data.prepared import (
    PREPARED,
    PreparedRecord,
    SkippedRow,
    fingerprint,
    load_prepared,
    prepared_dir,
    write_record,
)
from clip_emotion.data.recipes import fits, read
from clip_emotion.data.recipes.base import Reading, Request
from clip_emotion.data.recipes.hub import dataset_reading, hub_source, load_hub
from clip_emotion.data.replacing import OUT, replacing
from clip_emotion.data.row_writer import RowWriter, write_rows
from clip_emotion.data.sources import open_source
from clip_emotion.errors import DataError, UsageError
from clip_emotion.files import expanded
from clip_emotion.outputs import NEW, WriteOptions
from clip_emotion.text import nfc
from clip_emotion.vocabulary import Vocabulary

GENERIC_CARDS = ("image_csv", "image_folder")
"""Tried in this order: pictures that a table lists may well lie in a folder that is no class."""


@dataclass(frozen=True)
class PrepareOptions:
    """How raw files are prepared.

    ``drop_duplicates`` cleans the training split (see ``cleaning.keep_for_training``), ``vocabulary`` are the user's
    own classes, ``default_split`` is the split of rows whose source names none, and ``output`` says whether a set that
    was prepared before may be replaced.
    """

    drop_duplicates: bool = False
    vocabulary: Vocabulary | None = None
    default_split: str = TRAIN
    output: WriteOptions = NEW


def prepare(
    name: str,
    source: Path | str,
    to: Path | None = None,
    options: PrepareOptions | None = None,
    progress: Callable[[int], None] | None = None,
) -> DatasetDict:
    """Read a raw data set by its card and write it as a Hugging Face DatasetDict, whole or not at all.

    ``source`` is a folder, .zip or file, or ``hub:`` / ``hub:owner/name``; ``to`` is by default the cache's
    ``prepared/NAME``. Picture rows have image (encoded bytes), label, path, source and sha; text rows have text
    (text_ko) and labels or rating; vote rows have path and one column an emotion. ``progress`` is told of rows as they
    are read. Raises DataError for a source that is missing or in no known layout, UsageError for labels outside the
    vocabulary and for a folder that may not be written.
    """
    options = options or PrepareOptions()
    card = load_card(name)
    target = to or prepared_dir(card.name)
    fault = path_fault(options.default_split)
    if fault:
        raise UsageError(f"'{options.default_split}' cannot name a split ({fault}): choose another --split.")
    request = Request(card, options.vocabulary, options.default_split)
    with replacing(target, PREPARED, options.output, _places(source)) as work:
        with _open_reading(source, request) as reading:
            writer = write_rows(reading, work / "rows", progress)
        contents, dropped = _save(writer, work / OUT, card, options.drop_duplicates)
        record = _record(card, str(source), reading, contents, writer.skipped)
        write_record(work / OUT, record.model_copy(update={"dropped": dropped}))
    return load_prepared(target)


def _places(source: Path | str) -> list[Path]:
    return [] if str(source).startswith("hub:") else [expanded(source)]


def guess_card(source: Path, vocabulary: Vocabulary | None = None) -> str:
    """Return which of the generic cards reads a user's own pictures; raises DataError when neither does."""
    for name in GENERIC_CARDS:
        with open_source(source) as opened:
            if fits(opened, Request(load_card(name), vocabulary)):
                return name
    raise DataError(
        f"{source} holds neither pictures in class folders nor a table with path and label: "
        f"name its card with --card ({', '.join(list_cards())})."
    )


@contextmanager
def _open_reading(source: Path | str, request: Request) -> Iterator[Reading]:
    location = str(source)
    if location.startswith("hub:"):
        yield dataset_reading("hub", load_hub(hub_source(request.card, location)), request)
        return
    with open_source(expanded(source)) as opened:
        yield read(opened, request)


def _save(writer: RowWriter, folder: Path, card: Card, clean: bool) -> tuple[dict[str, Contents], Dropped | None]:
    """Save what was written as a DatasetDict, the training split cleaned where asked, and say what it holds.

    The mapped files are let go on return: Windows deletes no file that somebody still maps.
    """
    loaded = writer.load()
    contents, dropped = dict(writer.contents), None
    if clean and TRAIN in contents:
        kept, dropped = keep_for_training(contents, one_label=card.kind != "text")
        loaded[TRAIN] = loaded[TRAIN].select(kept)
        contents[TRAIN] = _selected(contents[TRAIN], kept)
    loaded.save_to_disk(str(folder))
    return contents, dropped


def _record(
    card: Card, source: str, reading: Reading, contents: dict[str, Contents], skipped: list[SkippedRow]
) -> PreparedRecord:
    return PreparedRecord(
        name=card.name,
        title=card.title,
        kind=card.kind,
        licence=card.licence,
        source=nfc(source),
        layout=reading.layout,
        vocabulary=reading.vocabulary.name if reading.vocabulary else None,
        rows={split: len(content.keys) for split, content in contents.items()},
        dropped=None,
        skipped=skipped,
        fingerprint=fingerprint(contents),
        passed_over=dict(reading.passed_over),
    )


def _selected(contents: Contents, rows: list[int]) -> Contents:
    return Contents(
        [contents.keys[row] for row in rows],
        [contents.labels[row] for row in rows],
        [contents.blank[row] for row in rows],
    )
