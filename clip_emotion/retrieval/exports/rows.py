"""Rows that ``label`` wrote, as labelled images: rows that follow each other and name one path are its faces."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Container, Iterator, Mapping
from itertools import groupby
from math import isfinite
from operator import itemgetter
from pathlib import Path
from typing import Any

from clip_emotion.data.finding import resolve_path
from clip_emotion.errors import DataError, UsageError
from clip_emotion.files import expanded
from clip_emotion.retrieval.exports.records import LabelledImage, face_labels
from clip_emotion.retrieval.labelling.rows import Csv, from_row
from clip_emotion.text import read_text
from clip_emotion.types import Prediction

GONE = "The file does not exist"
SUFFIXES = (".jsonl", ".csv", ".parquet")


def read_label_rows(rows: Path, images: Path | None = None) -> Iterator[LabelledImage]:
    """Yield the images of a file that ``label`` wrote; relative paths lie below ``images`` (None: the working folder).

    Raises UsageError for a file of another kind, DataError with its place for a row that is none.
    """
    numbered = _checked(rows, read_raw(rows))
    for path, found in groupby(numbered, key=lambda row: row[0].path):
        several = list(found)
        yield _image(path, [row for row, _ in several], several[0][1], images)


def read_raw(rows: Path) -> Iterator[Mapping[str, Any]]:
    """Yield the rows of such a file as the mappings that JSON lines hold; raises UsageError for another suffix."""
    readers = {".jsonl": _json_lines, ".csv": _csv, ".parquet": _parquet}
    suffix = rows.suffix.lower()
    if suffix not in readers:
        raise UsageError(f"{rows} holds no rows of label: name a file that ends with {', '.join(SUFFIXES)}.")
    if not rows.is_file():
        raise DataError(f"{rows} does not exist: name a file that label wrote with --out.")
    return readers[suffix](rows)


def _checked(rows: Path, raw: Iterator[Mapping[str, Any]]) -> Iterator[tuple[Prediction, str]]:
    number = 1
    try:
        for row in raw:
            _refuse_videos(rows, row)
            yield _sound(from_row(row)), str(row.get("vocabulary") or "")
            number += 1
    except (ValueError, KeyError, TypeError, AttributeError, StopIteration, RecursionError, csv.Error) as error:
        raise DataError(
            f"{rows}, row {number}: no whole row as label writes it ({type(error).__name__}): finish a stopped run "
            "with label --resume, or label the images again."
        ) from error
    except OSError as error:
        raise DataError(f"Cannot read {rows}: {error.strerror or error}.") from error


def _sound(row: Prediction) -> Prediction:
    """Return a row as it is; raises ValueError for a box without pixels and for a number that is none."""
    box = row.face.box
    if box is not None and (box.width < 1 or box.height < 1):
        raise ValueError("a box without pixels")
    numbers = [value for word in row.labels for value in (word.probability, word.similarity)]
    if not all(map(isfinite, [*numbers, row.face.confidence or 0.0])):
        raise ValueError("a number that is none")
    return row


def _json_lines(rows: Path) -> Iterator[Mapping[str, Any]]:
    with rows.open("rb") as lines:
        yield from (json.loads(line) for line in lines if line.strip())


def _csv(rows: Path) -> Iterator[Mapping[str, Any]]:
    # Excel in Korean saves CSV as CP949, and not every program ends the last line.
    text = read_text(rows).rstrip("\r\n") + "\n"
    _refuse_videos(rows, next(csv.reader([text.partition("\n")[0]]), []))
    yield from map(itemgetter(1), Csv().decode(io.BytesIO(text.encode("utf-8"))))


def _refuse_videos(rows: Path, names: Container[str]) -> None:
    if "source" in names and "frame" in names:
        raise UsageError(f"{rows} holds rows of videos, and exports take pictures: label the pictures by themselves.")


def _parquet(rows: Path) -> Iterator[Mapping[str, Any]]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        with pq.ParquetFile(rows) as file:
            for batch in file.iter_batches(4096):
                yield from batch.to_pylist()
    except pa.ArrowException as error:
        raise DataError(f"{rows} is not a readable Parquet file: write it again.") from error


def _image(path: str, rows: list[Prediction], vocabulary: str, images: Path | None) -> LabelledImage:
    place = resolve_path(str(expanded(images) / path)) if images is not None else resolve_path(path)
    if place is None:
        where = "" if images is None else f", since --images says that paths of rows begin in {images}"
        return LabelledImage(path, Path(path), error=f"{GONE}{where}.")
    failed = next((row.error for row in rows if row.error is not None), None)
    faces = tuple(face for face in map(face_labels, rows) if face is not None)
    return LabelledImage(path, place, faces, rows[0].model, vocabulary, error=None if faces else failed)
