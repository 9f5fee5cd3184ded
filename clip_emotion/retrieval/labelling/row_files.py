"""Files of rows: written row by row, and read again to go on after a killed run."""

from __future__ import annotations

import csv
import io
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO, Protocol, TypeVar

from clip_emotion.data.finding import resolve_path
from clip_emotion.errors import DataError, UsageError
from clip_emotion.retrieval.labelling.parquet import Schema, image_schema, read_table, write_table
from clip_emotion.retrieval.labelling.rows import ROW_FORMATS, JsonLines, RowFormat, RunCard, from_row, to_row
from clip_emotion.text import nfc
from clip_emotion.types import Prediction


class LineWriter:
    """Writes encoded rows to an open binary stream, each flushed as it comes."""

    def __init__(self, stream: BinaryIO, row_format: RowFormat, card: RunCard) -> None:
        self.stream = stream
        self.row_format = row_format
        self.card = card

    def start(self) -> None:
        """Write what stands before the first row."""
        self.put(self.row_format.head(self.card))

    def put(self, content: bytes) -> None:
        """Append encoded rows; raises DataError when the place is full or gone."""
        left = memoryview(content)
        try:
            while left:
                # A file without buffer may take a part only.
                left = left[self.stream.write(left) :]
            self.stream.flush()
        except BrokenPipeError:
            raise
        except OSError as error:
            place = getattr(self.stream, "name", "standard output")
            raise DataError(
                f"Cannot write to {place} ({error.strerror}): make room, then continue with --resume."
            ) from error


class RowWriter(LineWriter):
    """Writes predictions as rows."""

    def write(self, prediction: Prediction) -> None:
        """Append one row; raises DataError when the place is full or gone."""
        self.put(self.row_format.encode(to_row(prediction, self.card), self.card))

    @property
    def takes_json_lines(self) -> bool:
        """Whether the rows are JSON lines, which may also be written many at once."""
        return isinstance(self.row_format, JsonLines)

    def write_lines(self, lines: bytes) -> None:
        """Append whole JSON lines; raises DataError when the place is full or gone."""
        self.put(lines)


@dataclass(frozen=True)
class Resumed:
    """What an interrupted run left: its predictions, and the offset up to which its file is whole."""

    predictions: list[Prediction]
    size: int


@dataclass(frozen=True)
class Target:
    """Where rows go: a file in a format, begun anew or continued; ``many_rows`` where an image may have several."""

    path: Path
    format: str
    resume: bool = False
    many_rows: bool = False

    @property
    def gathers_as(self) -> str:
        """The format in which rows gather while a run lasts."""
        return "jsonl" if self.format == "parquet" else self.format


def partial_path(path: Path) -> Path:
    """Return where a Parquet file's rows gather while its run lasts."""
    return path.with_name(path.name + ".partial.jsonl")


def place_of(path: str) -> str:
    """Return the one spelling of an image's path: absolute, its folders without links, composed.

    A link in place of the image itself stays: two links to one image are two images to whoever named them.
    """
    folder, name = os.path.split(path)
    return nfc(os.path.join(os.path.realpath(folder), name))  # noqa: PTH118


class Kept(Protocol):
    """What an interrupted run left."""

    @property
    def size(self) -> int:
        """The offset up to which its file is whole."""
        ...


K = TypeVar("K", bound=Kept)


@contextmanager
def kept_rows(
    target: Target, nothing: K, read: Callable[[Path], K], schema: Schema, card: RunCard
) -> Iterator[tuple[BinaryIO, K]]:
    """Open the file in which a target's rows gather, whole up to what an interrupted run left, which is handed out too.

    Parquet cannot grow row by row: its rows gather as JSON lines in a neighbour ``NAME.partial.jsonl``, which becomes
    the Parquet file when the block ends well. ``nothing`` is what a run begins with, ``read`` what of an earlier one
    stays. Raises UsageError when the place cannot be written or continued.
    """
    parquet = target.format == "parquet"
    rows = partial_path(target.path) if parquet else target.path
    finished = parquet and target.resume and target.path.is_file() and not rows.exists()
    if finished:
        read_table(target.path, rows, schema)
    try:
        rows.parent.mkdir(parents=True, exist_ok=True)
        there = target.resume and rows.is_file()
        done = read(rows) if there else nothing
        # Without a buffer: what a full disk refused once must not be tried again, and fail otherwise, at closing.
        stream = rows.open("r+b" if there else "wb", buffering=0)
    except UsageError:
        if finished:
            rows.unlink()
        raise
    except OSError as error:
        raise UsageError(f"Cannot write {target.path}: {error.strerror or error}.") from error
    with stream:
        if there:
            stream.truncate(done.size)
            stream.seek(done.size)
        yield stream, done
    if parquet:
        write_table(rows, target.path, schema(card.dimensions))
        rows.unlink()


@contextmanager
def open_target(target: Target, card: RunCard) -> Iterator[tuple[RowWriter, Resumed]]:
    """Open a target for the block's rows and hand out what an interrupted run left in it; raises as ``kept_rows``."""
    row_format = ROW_FORMATS[target.gathers_as]
    read = partial(read_finished, row_format=row_format, card=card, many_rows=target.many_rows)
    with kept_rows(target, Resumed([], 0), read, image_schema, card) as (stream, done):
        writer = RowWriter(stream, row_format, card)
        if not done.size:
            writer.start()
        yield writer, done


def read_finished(path: Path, row_format: RowFormat, card: RunCard, *, many_rows: bool) -> Resumed:
    """Read the whole rows of an earlier run's file, leaving out a torn last one.

    With ``many_rows`` (a row per face) the last image's rows are left out too, as some of them may be missing.
    Raises UsageError when the file is not such an output, or is one of another model, vocabulary or other settings.
    """
    content = path.read_bytes()
    head = row_format.head(card)
    if head.startswith(content):
        return Resumed([], 0)
    try:
        if not content.startswith(head):
            _refuse_other_head(path, row_format, content, card)
        rows = [(end, row, from_row(row)) for end, row in row_format.decode(io.BytesIO(content))]
    except (ValueError, KeyError, TypeError, StopIteration, csv.Error) as error:
        raise UsageError(f"{path} holds no rows that can be continued: give another --out.") from error
    for _, row, _ in rows:
        refuse_other_run(path, row, card)
    _refuse_other_folder(path, [prediction for _, _, prediction in rows])
    if many_rows and rows:
        last = rows[-1][1]["path"]
        rows = [entry for entry in rows if entry[1]["path"] != last]
    return Resumed([prediction for _, _, prediction in rows], rows[-1][0] if rows else len(head))


def _refuse_other_folder(path: Path, predictions: Sequence[Prediction]) -> None:
    """See that relative paths are found from here; else no image would be known again."""
    relative = [one.path for one in predictions if one.error is None and not os.path.isabs(one.path)]  # noqa: PTH117
    if relative and not any(resolve_path(name) for name in relative):
        raise UsageError(
            f"{path} names images such as {relative[0]}, which are not found from here: continue the run from the "
            "folder where it began, or give another --out."
        )


def _refuse_other_head(path: Path, row_format: RowFormat, content: bytes, card: RunCard) -> None:
    """Say how the run differs, where the first row tells; else that the columns do."""
    for _, row in row_format.decode(io.BytesIO(content)):
        refuse_other_run(path, row, card)
        break
    raise ValueError("another header")


def refuse_other_run(path: Path, row: Mapping[str, Any], card: RunCard) -> None:
    """Raise UsageError where a file's row is of another model, vocabulary or other settings."""
    for name, value in card.written().items():
        if row[name] != value:
            raise UsageError(
                f"{path} cannot be continued: its rows have {name} '{row[name]}', this run has '{value}'; "
                "use the same options, or another --out."
            )
