"""Where a prediction becomes a row: a mapping, and that mapping as a JSON line or a CSV record, and back.

A row is one image, or one face of it. JSON Lines and Parquet nest the labels; CSV is wide, with four columns a rank.
"""

from __future__ import annotations

import codecs
import csv
import io
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol, get_args

from clip_emotion.csv_text import BOM, csv_line, unguarded
from clip_emotion.data.faces.parts import FACELESS
from clip_emotion.types import Dimensions, FaceBox, FaceRegion, LabelledPart, Prediction, ScoredLabel

RANK_COLUMNS = ("label", "name", "probability", "similarity")
CSV_HEAD = (
    "path", "face_index", "face_x", "face_y", "face_width", "face_height", "face_confidence", "face_part", "face_note",
)  # fmt: skip
DIMENSIONS = ("valence", "arousal")
CSV_TAIL = ("model", "vocabulary", "settings", "error")
_PARTS: dict[str, LabelledPart] = {part: part for part in get_args(LabelledPart)}


@dataclass(frozen=True)
class RunCard:
    """What a run's rows have in common; rows of different cards do not belong in one file.

    ``settings`` are written as ``key=value`` pairs, so that a person can read them in the row. With ``dimensions``
    every row has valence and arousal, None where it has no words.
    """

    model: str
    vocabulary: str
    top: int
    settings: Mapping[str, str] = field(default_factory=dict)
    dimensions: bool = False

    def written(self) -> dict[str, str]:
        """Return the columns that every row of the run carries."""
        settings = " ".join(f"{key}={value}" for key, value in {**self.settings, "top": self.top}.items())
        return {"model": self.model, "vocabulary": self.vocabulary, "settings": settings}


def to_row(prediction: Prediction, card: RunCard) -> dict[str, Any]:
    """Return a prediction as the mapping that a JSON line holds: its own values and those of its run."""
    values = prediction.to_dict()
    places = {name: values.get(name) for name in DIMENSIONS} if card.dimensions else {}
    said = {name: values[name] for name in ("path", "face", "labels")}
    return {**said, **places, **card.written(), "error": values["error"]}


def from_row(row: Mapping[str, Any]) -> Prediction:
    """Return the prediction that a JSON line's mapping stands for; raises KeyError or TypeError where it is none."""
    labels = tuple(
        ScoredLabel(entry["label"], entry["name"], float(entry["probability"]), float(entry["similarity"]))
        for entry in row["labels"]
    )
    face = row["face"]
    box = None if face["box"] is None else FaceBox(*map(int, face["box"]))
    # Release 0.1.0 wrote neither of these.
    confidence, part = face.get("confidence"), _PARTS[face.get("part") or ("whole" if box is None else "face")]
    region = FaceRegion(face["index"], box, confidence, part, face["note"])
    placed = row.get("valence") is not None
    place = Dimensions(*(float(row[name]) for name in DIMENSIONS)) if placed else None
    return Prediction(row["path"], labels, row["model"], region, row["error"], place)


def is_faceless(prediction: Prediction) -> bool:
    """Tell whether a face was looked for in the image and none found."""
    return prediction.face.note in FACELESS


class RowFormat(Protocol):
    """How rows become bytes and bytes become rows."""

    def head(self, card: RunCard) -> bytes:
        """Return what stands before the first row."""
        ...

    def encode(self, row: Mapping[str, Any], card: RunCard) -> bytes:
        """Return one row, with its line end."""
        ...

    def decode(self, lines: Iterable[bytes]) -> Iterator[tuple[int, dict[str, Any]]]:
        """Yield each whole row of a file's lines, with the offset at which it ends; a torn last row is left out."""
        ...


class JsonLines:
    """One JSON object a line, UTF-8."""

    def head(self, card: RunCard) -> bytes:
        """Return nothing: every line stands for itself."""
        return b""

    def encode(self, row: Mapping[str, Any], card: RunCard) -> bytes:
        """Return the row as one line."""
        return json.dumps(row, ensure_ascii=False, allow_nan=False).encode("utf-8") + b"\n"

    def decode(self, lines: Iterable[bytes]) -> Iterator[tuple[int, dict[str, Any]]]:
        """Yield each whole row with the offset at which it ends."""
        end = 0
        for line in lines:
            end += len(line)
            if line.endswith(b"\n") and line.strip():
                yield end, json.loads(line)


@dataclass(frozen=True)
class Csv:
    """One row a line with ``rank1_label, rank1_name, …`` columns, after a BOM that lets Excel read Hangul."""

    bom: bool = True

    def columns(self, card: RunCard) -> list[str]:
        """Return the names of the columns."""
        ranks = [f"rank{rank}_{column}" for rank in range(1, card.top + 1) for column in RANK_COLUMNS]
        return [*CSV_HEAD, *ranks, *_tail(card)]

    def head(self, card: RunCard) -> bytes:
        """Return the BOM and the header line."""
        return ((BOM if self.bom else "") + csv_line(self.columns(card))).encode("utf-8")

    def encode(self, row: Mapping[str, Any], card: RunCard) -> bytes:
        """Return the row as one record; a cell that holds commas, quotes or line ends is quoted."""
        face = row["face"]
        cells: list[Any] = [row["path"], face["index"], *(face["box"] or [None] * 4)]
        cells += [face["confidence"], face["part"], face["note"]]
        for rank in range(card.top):
            entry = row["labels"][rank] if rank < len(row["labels"]) else {}
            cells += [entry.get(column) for column in RANK_COLUMNS]
        return csv_line([*cells, *(row[column] for column in _tail(card))]).encode("utf-8")

    def decode(self, lines: Iterable[bytes]) -> Iterator[tuple[int, dict[str, Any]]]:
        """Yield each whole row with the offset at which it ends; the header is no row."""
        for end, cells in csv_rows(lines):
            yield end, _nested(cells)


def _tail(card: RunCard) -> tuple[str, ...]:
    return (*(DIMENSIONS if card.dimensions else ()), *CSV_TAIL)


def csv_rows(lines: Iterable[bytes]) -> Iterator[tuple[int, dict[str, str]]]:
    """Yield each whole row's cells by the names of the header; raises ValueError for more or fewer cells than names."""
    names: list[str] = []
    for end, record in _csv_records(lines):
        if not names:
            names = record
        elif len(record) == len(names):
            yield end, dict(zip(names, record, strict=True))
        else:
            raise ValueError(f"a row of {len(record)} cells under a header of {len(names)}")


def _csv_records(lines: Iterable[bytes]) -> Iterator[tuple[int, list[str]]]:
    """Split into whole records: a line end counts only where all quotes before it are closed."""
    end, held = 0, b""
    for line in lines:
        held += line
        if line.endswith(b"\n") and held.count(b'"') % 2 == 0:
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
    confidence = float(cells["face_confidence"]) if cells["face_confidence"] else None
    face = {
        "index": index,
        "box": box,
        "confidence": confidence,
        "part": cells["face_part"],
        "note": cells["face_note"],
    }
    kept = {column: cells[column] for column in ("path", "model", "vocabulary", "settings")}
    places = {name: float(cells[name]) if cells[name] else None for name in DIMENSIONS if name in cells}
    return {**kept, "face": face, "labels": labels, **places, "error": cells["error"] or None}


ROW_FORMATS: dict[str, RowFormat] = {"jsonl": JsonLines(), "csv": Csv()}
PIPED_ROW_FORMATS: dict[str, RowFormat] = {**ROW_FORMATS, "csv": Csv(bom=False)}
"""The formats for standard output: the next program in a pipe wants no BOM."""
