"""Rows streamed into Arrow files, one a split."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
from datasets import Dataset, DatasetDict, Features

from clip_emotion.data.cards import SPLITS
from clip_emotion.data.cleaning import Contents
from clip_emotion.data.path_names import path_fault
from clip_emotion.data.prepared import SkippedRow
from clip_emotion.data.recipes.base import Reading, Row, Skipped
from clip_emotion.errors import DataError

BATCH_ROWS = 500
BATCH_BYTES = 64 * 2**20


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
        """Take one row; raises DataError for a split that cannot name a folder."""
        fault = path_fault(row.split) if row.split not in self.contents else None
        if fault:
            raise DataError(f"A row belongs to the split '{row.split[:60]}', which names no folder: {fault}.")
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
