"""From raw files to Hugging Face data sets on disk, with a record of where every row went."""

from __future__ import annotations

import hashlib
import json
import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import pyarrow as pa
from datasets import Dataset, DatasetDict, Features

from clip_emotion.config import Config, validate
from clip_emotion.data.cards import SPLITS, Card, list_cards, load_card
from clip_emotion.data.cleaning import TRAIN, Contents, Dropped, keep_for_training
from clip_emotion.data.recipes import fits, read
from clip_emotion.data.recipes.base import Reading, Request, Row, Skipped
from clip_emotion.data.recipes.hub import dataset_reading, hub_source, load_hub
from clip_emotion.data.sources import open_source
from clip_emotion.errors import DataError, UsageError
from clip_emotion.files import is_taken
from clip_emotion.resources import cache_dir
from clip_emotion.text import nfc
from clip_emotion.vocabulary import Vocabulary

RECORD = "card.json"
MARK = "dataset_dict.json"
OUT = "out"
"""What is to become a prepared folder, within the scratch folder of ``replacing``."""
GENERIC_CARDS = ("image_csv", "image_folder")
"""Tried in this order: pictures that a table lists may well lie in a folder that is no class."""
BATCH_ROWS = 500
BATCH_BYTES = 64 * 2**20


class SkippedRow(Config):
    """A row of the source that could not be used."""

    split: str
    path: str
    reason: str


class Record(Config):
    """What stands in ``card.json`` beside a prepared data set: its origin, and what was kept, dropped and skipped.

    ``fingerprint`` is a SHA-256 over split, content hash and label of every kept row, in order.
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


def prepare(
    name: str,
    source: Path | str,
    to: Path | None = None,
    *,
    drop_duplicates: bool = False,
    vocabulary: Vocabulary | None = None,
    default_split: str = TRAIN,
    progress: Callable[[int], None] | None = None,
) -> DatasetDict:
    """Read a raw data set by its card and write it as a Hugging Face DatasetDict, whole or not at all.

    ``source`` is a folder, .zip or file, or ``hub:`` / ``hub:owner/name``; ``to`` is by default the cache's
    ``prepared/NAME``. Picture rows have image (encoded bytes), label, path, source and sha; text rows have text
    (text_ko) and labels or rating; vote rows have path and one column an emotion. ``drop_duplicates`` cleans the
    training split (see ``cleaning.keep_for_training``). ``progress`` is told of rows as they are read.
    Raises DataError for a source that is missing or in no known layout, UsageError for labels outside the vocabulary.
    """
    card = load_card(name)
    target = to or prepared_dir(card.name)
    request = Request(card, vocabulary, default_split)
    with replacing(target) as work:
        with _open_reading(source, request) as reading:
            writer = write_rows(reading, work / "rows", progress)
        contents, dropped = _save(writer, work / OUT, card, drop_duplicates)
        record = _record(card, str(source), reading, contents, writer.skipped)
        write_record(work / OUT, record.model_copy(update={"dropped": dropped}))
    return load_prepared(target)


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
    path = find_prepared(name_or_path)
    try:
        return DatasetDict.load_from_disk(str(path))
    except (OSError, ValueError, KeyError, pa.ArrowException) as error:
        raise DataError(f"{path} is damaged ({type(error).__name__}): prepare it again.") from error


def load_record(name_or_path: str | Path) -> Record | None:
    """Return the record beside a prepared data set, or None for a set that something else saved."""
    path = find_prepared(name_or_path) / RECORD
    if not path.is_file():
        return None
    try:
        return validate(Record, json.loads(path.read_text(encoding="utf-8")), str(path))
    except ValueError as error:
        raise DataError(f"{path} is damaged: prepare the data set again.") from error


@contextmanager
def _open_reading(source: Path | str, request: Request) -> Iterator[Reading]:
    location = str(source)
    if location.startswith("hub:"):
        yield dataset_reading("hub", load_hub(hub_source(request.card, location)), request)
        return
    with open_source(Path(source).expanduser()) as opened:
        yield read(opened, request)


class RowWriter:
    """Streams rows into one Arrow file a split, so that memory does not grow with the pictures."""

    def __init__(self, folder: Path, features: Features) -> None:
        folder.mkdir()
        self.contents: dict[str, Contents] = {}
        self.skipped: list[SkippedRow] = []
        self._folder = folder
        self._schema = features.arrow_schema
        self._files: dict[str, pa.RecordBatchStreamWriter] = {}
        self._sinks: list[pa.NativeFile] = []
        self._waiting: dict[str, list[dict[str, object]]] = {}
        self._bytes: dict[str, int] = {}

    def add(self, row: Row) -> None:
        """Take one row."""
        waiting = self._waiting.setdefault(row.split, [])
        waiting.append(row.cells)
        size = len(row.cells["image"]["bytes"]) if "image" in row.cells else 0
        self._bytes[row.split] = self._bytes.get(row.split, 0) + size
        self.contents.setdefault(row.split, Contents()).add(row.key, row.label, row.blank)
        if len(waiting) >= BATCH_ROWS or self._bytes[row.split] >= BATCH_BYTES:
            self._flush(row.split)

    def close(self) -> None:
        """Write what waits and close the files."""
        for split in self._waiting:
            self._flush(split)
        for file in self._files.values():
            file.close()
        for sink in self._sinks:
            sink.close()

    def load(self) -> DatasetDict:
        """Return what was written, train first."""
        order = sorted(self.contents, key=lambda split: (SPLITS.index(split) if split in SPLITS else 9, split))
        self.contents = {split: self.contents[split] for split in order}
        return DatasetDict({split: Dataset.from_file(str(self._path(split))) for split in order})

    def _flush(self, split: str) -> None:
        if split not in self._files:
            sink = pa.OSFile(str(self._path(split)), "wb")
            self._sinks.append(sink)
            self._files[split] = pa.ipc.new_stream(sink, self._schema)
        if self._waiting[split]:
            self._files[split].write_batch(pa.RecordBatch.from_pylist(self._waiting[split], schema=self._schema))
        self._waiting[split] = []
        self._bytes[split] = 0

    def _path(self, split: str) -> Path:
        return self._folder / f"{hashlib.sha256(split.encode()).hexdigest()[:16]}.arrow"


def write_rows(reading: Reading, folder: Path, progress: Callable[[int], None] | None = None) -> RowWriter:
    """Write a reading's rows below a folder; raises DataError when none of them can be used."""
    writer = RowWriter(folder, reading.features)
    try:
        for row in reading.rows:
            if isinstance(row, Skipped):
                writer.skipped.append(SkippedRow(split=row.split, path=row.path, reason=row.reason))
            else:
                writer.add(row)
            if progress:
                progress(1)
    finally:
        writer.close()
    if not writer.contents:
        first = f" (the first: {writer.skipped[0].path}: {writer.skipped[0].reason})" if writer.skipped else ""
        raise DataError(f"No usable row was found, {len(writer.skipped)} were skipped{first}.")
    return writer


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
) -> Record:
    return Record(
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
    )


def fingerprint(contents: Mapping[str, Contents]) -> str:
    """Return the SHA-256 over split, content hash and label of every row, in order."""
    digest = hashlib.sha256()
    for split, content in contents.items():
        for key, label in zip(content.keys, content.labels, strict=True):
            digest.update(f"{split}\t{key}\t{label}\n".encode())
    return digest.hexdigest()


def write_record(folder: Path, record: Record) -> None:
    """Write ``card.json`` into a folder that is about to become a prepared data set."""
    text = json.dumps(record.model_dump(), ensure_ascii=False, indent=2) + "\n"
    (folder / RECORD).write_text(text, encoding="utf-8")


def _selected(contents: Contents, rows: list[int]) -> Contents:
    return Contents(
        [contents.keys[row] for row in rows],
        [contents.labels[row] for row in rows],
        [contents.blank[row] for row in rows],
    )


@contextmanager
def replacing(target: Path) -> Iterator[Path]:
    """Hand out a scratch folder whose ``out`` becomes the prepared set ``target`` when the block ends, or nothing does.

    Raises UsageError for a target that cannot be written, or that holds something else.
    """
    _check_target(target)
    with scratch_beside(target) as work:
        yield work
        _put_in_place(work / OUT, target, work / "old")


@contextmanager
def scratch_beside(target: Path) -> Iterator[Path]:
    """Make a working folder on the target's own disk, so that the last step is a rename; it goes with the block."""
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        scratch = tempfile.TemporaryDirectory(prefix=f".{target.name}.", dir=target.parent, ignore_cleanup_errors=True)
    except OSError as error:
        raise UsageError(
            f"Cannot write {target}: {error.strerror or error}; choose another folder with --to."
        ) from error
    with scratch as folder:
        yield Path(folder)


def refuse_taken(target: Path) -> None:
    """Raise UsageError when a folder that is to be written is there and holds something."""
    if is_taken(target):
        raise UsageError(f"{target} is there already, and nothing is overwritten: choose another folder with --to.")


def _check_target(target: Path) -> None:
    if not (target / MARK).is_file() and is_taken(target):
        raise UsageError(f"{target} exists and is not a prepared data set: choose another folder with --to.")


def _put_in_place(new: Path, target: Path, aside: Path) -> None:
    # A folder cannot be renamed over another one: the old one steps aside first, and goes with the scratch folder.
    if target.exists():
        target.rename(aside)
    try:
        new.rename(target)
    except OSError:
        if aside.exists():
            aside.rename(target)
        raise
    shutil.rmtree(aside, ignore_errors=True)
