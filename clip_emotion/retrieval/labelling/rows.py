"""Labelled rows as JSON Lines, CSV and Parquet: written one by one, and read again to go on after a killed run.

A row is one picture, or one face of it. JSON Lines and Parquet nest the labels; CSV is wide, with four columns a rank.
"""

from __future__ import annotations

import codecs
import csv
import io
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO, Protocol

from clip_emotion.csv_text import BOM, csv_line, unguarded
from clip_emotion.errors import DataError, UsageError
from clip_emotion.types import FaceBox, Prediction, ScoredLabel

RANK_COLUMNS = ("label", "name", "probability", "similarity")
CSV_HEAD = ("path", "face_index", "face_x", "face_y", "face_width", "face_height", "face_note")
CSV_TAIL = ("model", "vocabulary", "settings", "error")


@dataclass(frozen=True)
class RunCard:
    """What a run's rows have in common; rows of different cards do not belong in one file.

    ``settings`` are written as ``key=value`` pairs, so that a person can read them in the row.
    """

    model: str
    vocabulary: str
    top: int
    settings: Mapping[str, str] = field(default_factory=dict)

    def written(self) -> dict[str, str]:
        """Return the columns that every row of the run carries."""
        settings = " ".join(f"{key}={value}" for key, value in {**self.settings, "top": self.top}.items())
        return {"model": self.model, "vocabulary": self.vocabulary, "settings": settings}


def to_row(prediction: Prediction, card: RunCard) -> dict[str, Any]:
    """Return a prediction as the mapping that a JSON line holds."""
    box = prediction.face_box
    labels = [
        {"label": label.key, "name": label.name, "probability": label.probability, "similarity": label.similarity}
        for label in prediction.labels
    ]
    face = {
        "index": prediction.face_index,
        "box": None if box is None else [box.x, box.y, box.width, box.height],
        "note": prediction.face_note,
    }
    return {"path": prediction.path, "face": face, "labels": labels, **card.written(), "error": prediction.error}


def from_row(row: Mapping[str, Any]) -> Prediction:
    """Return the prediction that a JSON line's mapping stands for; raises KeyError or TypeError where it is none."""
    labels = tuple(
        ScoredLabel(entry["label"], entry["name"], float(entry["probability"]), float(entry["similarity"]))
        for entry in row["labels"]
    )
    face = row["face"]
    box = None if face["box"] is None else FaceBox(*map(int, face["box"]))
    return Prediction(row["path"], labels, row["model"], face["index"], box, face["note"], row["error"])


class Layout(Protocol):
    """How rows become bytes and bytes become rows."""

    def head(self, card: RunCard) -> bytes:
        """Return what stands before the first row."""
        ...

    def encode(self, row: Mapping[str, Any], card: RunCard) -> bytes:
        """Return one row, with its line end."""
        ...

    def decode(self, content: bytes) -> Iterator[tuple[int, dict[str, Any]]]:
        """Yield each whole row with the offset at which it ends; a torn last row is left out."""
        ...


class JsonLines:
    """One JSON object a line, UTF-8."""

    def head(self, card: RunCard) -> bytes:
        """Return nothing: every line stands for itself."""
        return b""

    def encode(self, row: Mapping[str, Any], card: RunCard) -> bytes:
        """Return the row as one line."""
        return json.dumps(row, ensure_ascii=False, allow_nan=False).encode("utf-8") + b"\n"

    def decode(self, content: bytes) -> Iterator[tuple[int, dict[str, Any]]]:
        """Yield each whole row with the offset at which it ends."""
        end = 0
        for line in content.split(b"\n")[:-1]:
            end += len(line) + 1
            if line.strip():
                yield end, json.loads(line)


@dataclass(frozen=True)
class Csv:
    """One row a line with ``rank1_label, rank1_name, …`` columns, after a BOM that lets Excel read Hangul."""

    bom: bool = True

    def columns(self, top: int) -> list[str]:
        """Return the names of the columns."""
        ranks = [f"rank{rank}_{column}" for rank in range(1, top + 1) for column in RANK_COLUMNS]
        return [*CSV_HEAD, *ranks, *CSV_TAIL]

    def head(self, card: RunCard) -> bytes:
        """Return the BOM and the header line."""
        return ((BOM if self.bom else "") + csv_line(self.columns(card.top))).encode("utf-8")

    def encode(self, row: Mapping[str, Any], card: RunCard) -> bytes:
        """Return the row as one record; a cell that holds commas, quotes or line ends is quoted."""
        face = row["face"]
        cells: list[Any] = [row["path"], face["index"], *(face["box"] or [None] * 4), face["note"]]
        for rank in range(card.top):
            entry = row["labels"][rank] if rank < len(row["labels"]) else {}
            cells += [entry.get(column) for column in RANK_COLUMNS]
        return csv_line([*cells, *(row[column] for column in CSV_TAIL)]).encode("utf-8")

    def decode(self, content: bytes) -> Iterator[tuple[int, dict[str, Any]]]:
        """Yield each whole row with the offset at which it ends; the header is no row."""
        names: list[str] = []
        for end, record in _csv_records(content):
            if not names:
                names = record
            elif len(record) == len(names):
                yield end, _nested(dict(zip(names, record, strict=True)))
            else:
                raise ValueError(f"a row of {len(record)} cells under a header of {len(names)}")


def _csv_records(content: bytes) -> Iterator[tuple[int, list[str]]]:
    """Split into whole records: a line end counts only where all quotes before it are closed."""
    end, held = 0, b""
    for line in content.split(b"\n")[:-1]:
        held += line + b"\n"
        if held.count(b'"') % 2 == 0:
            end += len(held)
            text = held.removeprefix(codecs.BOM_UTF8) if end == len(held) else held
            cells = next(csv.reader(io.StringIO(text.decode("utf-8"), newline="")))
            yield end, [unguarded(cell) for cell in cells]
            held = b""


def _nested(cells: dict[str, str]) -> dict[str, Any]:
    """Turn a CSV record back into the mapping that a JSON line holds."""
    ranks = [name.removesuffix("_label") for name in cells if name.startswith("rank") and name.endswith("_label")]
    labels = [
        {
            "label": cells[f"{rank}_label"],
            "name": cells[f"{rank}_name"],
            "probability": float(cells[f"{rank}_probability"]),
            "similarity": float(cells[f"{rank}_similarity"]),
        }
        for rank in ranks
        if cells[f"{rank}_probability"]
    ]
    box = [int(cells[f"face_{side}"]) for side in ("x", "y", "width", "height")] if cells["face_x"] else None
    index = int(cells["face_index"]) if cells["face_index"] else None
    face = {"index": index, "box": box, "note": cells["face_note"]}
    kept = {column: cells[column] for column in ("path", "model", "vocabulary", "settings")}
    return {**kept, "face": face, "labels": labels, "error": cells["error"] or None}


LAYOUTS: dict[str, Layout] = {"jsonl": JsonLines(), "csv": Csv()}
PIPED_LAYOUTS: dict[str, Layout] = {**LAYOUTS, "csv": Csv(bom=False)}
"""The layouts for standard output: the next program in a pipe wants no BOM."""


class RowWriter:
    """Writes predictions to an open binary stream, each flushed as it comes."""

    def __init__(self, stream: BinaryIO, layout: Layout, card: RunCard) -> None:
        self.stream = stream
        self.layout = layout
        self.card = card

    def start(self) -> None:
        """Write what stands before the first row."""
        self._put(self.layout.head(self.card))

    def write(self, prediction: Prediction) -> None:
        """Append one row; raises DataError when the place is full or gone."""
        self._put(self.layout.encode(to_row(prediction, self.card), self.card))

    def _put(self, content: bytes) -> None:
        try:
            self.stream.write(content)
            self.stream.flush()
        except BrokenPipeError:
            raise
        except OSError as error:
            place = getattr(self.stream, "name", "standard output")
            raise DataError(
                f"Cannot write to {place} ({error.strerror}): make room, then continue with --resume."
            ) from error


@dataclass(frozen=True)
class Resumed:
    """What an interrupted run left: its predictions, and the offset up to which its file is whole."""

    predictions: list[Prediction]
    size: int

    @property
    def paths(self) -> set[str]:
        """The pictures that need no second look."""
        return {prediction.path for prediction in self.predictions}


@dataclass(frozen=True)
class Target:
    """Where rows go: a file in a format, begun anew or continued; ``many_rows`` where a picture may have several."""

    path: Path
    format: str
    resume: bool = False
    many_rows: bool = False


@contextmanager
def open_target(target: Target, card: RunCard) -> Iterator[tuple[RowWriter, Resumed]]:
    """Open a target for the block's rows and hand out what an interrupted run left in it.

    Parquet cannot grow row by row: its rows gather as JSON lines in a neighbour ``NAME.partial.jsonl``, which becomes
    the Parquet file when the block ends well. Raises UsageError when the place cannot be written or continued.
    """
    layout = LAYOUTS["jsonl" if target.format == "parquet" else target.format]
    rows = target.path
    if target.format == "parquet":
        rows = target.path.with_name(target.path.name + ".partial.jsonl")
    finished = target.format == "parquet" and target.resume and target.path.is_file() and not rows.exists()
    if finished:
        read_parquet(target.path, rows)
    try:
        rows.parent.mkdir(parents=True, exist_ok=True)
        there = target.resume and rows.is_file()
        done = read_finished(rows, layout, card, many_rows=target.many_rows) if there else Resumed([], 0)
        stream = rows.open("r+b" if there else "wb")
    except UsageError:
        if finished:
            rows.unlink()
        raise
    except OSError as error:
        raise UsageError(f"Cannot write {target.path}: {error.strerror or error}.") from error
    with stream:
        stream.truncate(done.size)
        stream.seek(done.size)
        writer = RowWriter(stream, layout, card)
        if not done.size:
            writer.start()
        yield writer, done
    if target.format == "parquet":
        write_parquet(rows, target.path)
        rows.unlink()


def read_finished(path: Path, layout: Layout, card: RunCard, *, many_rows: bool) -> Resumed:
    """Read the whole rows of an earlier run's file, leaving out a torn last one.

    With ``many_rows`` (a row per face) the last picture's rows are left out too, as some of them may be missing.
    Raises UsageError when the file is not such an output, or is one of another model, vocabulary or other settings.
    """
    content = path.read_bytes()
    head = layout.head(card)
    if head.startswith(content):
        return Resumed([], 0)
    try:
        if not content.startswith(head):
            _refuse_other_head(path, layout, content, card)
        rows = [(end, row, from_row(row)) for end, row in layout.decode(content)]
    except (ValueError, KeyError, TypeError, StopIteration, csv.Error) as error:
        raise UsageError(f"{path} holds no rows that can be continued: give another --out.") from error
    for _, row, _ in rows:
        _refuse_other_run(path, row, card)
    if many_rows and rows:
        last = rows[-1][1]["path"]
        rows = [entry for entry in rows if entry[1]["path"] != last]
    return Resumed([prediction for _, _, prediction in rows], rows[-1][0] if rows else len(head))


def _refuse_other_head(path: Path, layout: Layout, content: bytes, card: RunCard) -> None:
    """Say how the run differs, where the first row tells; else that the columns do."""
    for _, row in layout.decode(content):
        _refuse_other_run(path, row, card)
        break
    raise ValueError("another header")


def _refuse_other_run(path: Path, row: Mapping[str, Any], card: RunCard) -> None:
    for name, value in card.written().items():
        if row[name] != value:
            raise UsageError(
                f"{path} cannot be continued: its rows have {name} '{row[name]}', this run has '{value}'; "
                "use the same options, or another --out."
            )


def write_parquet(rows: Path, target: Path) -> None:
    """Turn a file of JSON lines into Parquet with the same nesting, whole or not at all; raises DataError else."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    schema = _parquet_schema(pa)
    draft = target.with_name(f".{target.name}.draft")
    try:
        with rows.open("rb") as lines, pq.ParquetWriter(draft, schema) as writer:
            for chunk in _chunks(lines):
                writer.write_table(pa.Table.from_pylist(chunk, schema=schema))
        draft.replace(target)
    except OSError as error:
        draft.unlink(missing_ok=True)
        raise DataError(
            f"Cannot write {target} ({error.strerror or error}): make room, then continue with --resume."
        ) from error


def read_parquet(source: Path, rows: Path) -> None:
    """Turn such a Parquet file back into JSON lines; raises UsageError when it is not one."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    layout = JsonLines()
    try:
        table = pq.read_table(source, schema=_parquet_schema(pa))
    except (pa.ArrowException, OSError) as error:
        raise UsageError(f"{source} holds no rows that can be continued: give another --out.") from error
    with rows.open("wb") as lines:
        for row in table.to_pylist():
            lines.write(layout.encode(row, RunCard("", "", 0)))


def _parquet_schema(pa: Any) -> Any:
    label = pa.struct(
        [("label", pa.string()), ("name", pa.string()), ("probability", pa.float64()), ("similarity", pa.float64())]
    )
    face = pa.struct([("index", pa.int32()), ("box", pa.list_(pa.int32())), ("note", pa.string())])
    words = [(name, pa.string()) for name in ("model", "vocabulary", "settings", "error")]
    return pa.schema([("path", pa.string()), ("face", face), ("labels", pa.list_(label)), *words])


def _chunks(lines: BinaryIO, size: int = 4096) -> Iterator[list[dict[str, Any]]]:
    chunk: list[dict[str, Any]] = []
    for line in lines:
        chunk.append(json.loads(line))
        if len(chunk) == size:
            yield chunk
            chunk = []
    if chunk:
        yield chunk
