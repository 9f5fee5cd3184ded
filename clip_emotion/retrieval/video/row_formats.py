"""Rows of videos as CSV and Parquet; as JSON lines they are what ``rows.to_line`` gives."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from clip_emotion.csv_text import BOM, csv_line
from clip_emotion.errors import UsageError
from clip_emotion.retrieval.labelling.parquet import write_table
from clip_emotion.retrieval.labelling.rows import RANK_COLUMNS, JsonLines, RowFormat, RunCard, csv_records
from clip_emotion.retrieval.video.rows import DIMENSIONS

HEAD = ("source", "frame", "time", "track", "box_x", "box_y", "box_width", "box_height", "confidence")
SMOOTHED_COLUMNS = ("label", "name", "probability")
TAIL = ("note", "model", "vocabulary", "settings", "error")
SIDES = ("box_x", "box_y", "box_width", "box_height")


@dataclass(frozen=True)
class VideoCsv:
    """One row a line: ``rank1_label, …`` for the frame's own words, ``smoothed1_label, …`` for those of the track."""

    bom: bool = True

    def columns(self, card: RunCard) -> list[str]:
        """Return the names of the columns."""
        ranks = range(1, card.top + 1)
        own = [f"rank{rank}_{column}" for rank in ranks for column in RANK_COLUMNS]
        smoothed = [f"smoothed{rank}_{column}" for rank in ranks for column in SMOOTHED_COLUMNS]
        return [*HEAD, *own, *smoothed, *_tail(card)]

    def head(self, card: RunCard) -> bytes:
        """Return the BOM and the header line."""
        return ((BOM if self.bom else "") + csv_line(self.columns(card))).encode("utf-8")

    def encode(self, row: Mapping[str, Any], card: RunCard) -> bytes:
        """Return the row as one record."""
        cells: list[Any] = [row[name] for name in HEAD[:4]] + list(row["box"] or [None] * 4) + [row["confidence"]]
        for name, columns in (("labels", RANK_COLUMNS), ("smoothed", SMOOTHED_COLUMNS)):
            for rank in range(card.top):
                entry = row[name][rank] if rank < len(row[name]) else {}
                cells += [entry.get(column) for column in columns]
        return csv_line([*cells, *(row[column] for column in _tail(card))]).encode("utf-8")

    def decode(self, content: bytes) -> Iterator[tuple[int, dict[str, Any]]]:
        """Yield each whole row with the offset at which it ends; the header is no row."""
        names: list[str] = []
        for end, record in csv_records(content):
            if not names:
                names = record
            elif len(record) == len(names):
                yield end, _nested(dict(zip(names, record, strict=True)))
            else:
                raise ValueError(f"a row of {len(record)} cells under a header of {len(names)}")


def _tail(card: RunCard) -> tuple[str, ...]:
    return (*(DIMENSIONS if card.dimensions else ()), *TAIL)


def _nested(cells: dict[str, str]) -> dict[str, Any]:
    """Turn a CSV record back into the mapping that a JSON line holds."""
    numbers = {name: cells[name] or None for name in ("frame", "time", "track", "confidence")}
    box = [int(cells[side]) for side in SIDES] if cells[SIDES[0]] else None
    words = {
        name: [
            {column: cells[f"{start}{rank}_{column}"] for column in columns}
            for rank in range(1, len(cells))
            if cells.get(f"{start}{rank}_probability")
        ]
        for name, start, columns in (
            ("labels", "rank", RANK_COLUMNS), ("smoothed", "smoothed", SMOOTHED_COLUMNS),
        )
    }  # fmt: skip
    places = {name: cells[name] or None for name in DIMENSIONS if name in cells}
    kept = {name: cells[name] for name in ("source", *TAIL)}
    return {**kept, **numbers, "box": box, **words, **places, "error": cells["error"] or None}


FORMATS: dict[str, RowFormat] = {"jsonl": JsonLines(), "csv": VideoCsv()}
PIPED_FORMATS: dict[str, RowFormat] = {**FORMATS, "csv": VideoCsv(bom=False)}
"""The formats for standard output: the next program in a pipe wants no BOM."""


def write_parquet(rows: Path, target: Path, card: RunCard) -> None:
    """Turn a file of JSON lines into Parquet with the same nesting, whole or not at all; raises DataError else."""
    import pyarrow as pa

    write_table(rows, target, _schema(pa, card.dimensions))


def read_parquet(source: Path, rows: Path) -> None:
    """Turn such a Parquet file back into JSON lines; raises UsageError when it is not one."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        schema = _schema(pa, DIMENSIONS[0] in pq.read_schema(source).names)
        with pq.ParquetFile(source) as file, rows.open("wb") as lines:
            for batch in file.iter_batches():
                for row in pa.Table.from_batches([batch]).cast(schema).to_pylist():
                    lines.write(json.dumps(row, ensure_ascii=False, allow_nan=False).encode("utf-8") + b"\n")
    except (pa.ArrowException, OSError, ValueError) as error:
        rows.unlink(missing_ok=True)
        raise UsageError(f"{source} holds no rows that can be continued: give another --out.") from error


def _schema(pa: Any, dimensions: bool) -> Any:
    text, number = pa.string(), pa.float64()
    word = [("label", text), ("name", text), ("probability", number)]
    places = [(name, number) for name in DIMENSIONS] if dimensions else []
    return pa.schema(
        [
            ("source", text), ("frame", pa.int64()), ("time", number), ("track", pa.int32()),
            ("box", pa.list_(pa.int32())), ("confidence", number),
            ("labels", pa.list_(pa.struct([*word, ("similarity", number)]))), ("smoothed", pa.list_(pa.struct(word))),
            *places, ("note", text), ("model", text), ("vocabulary", text), ("settings", text), ("error", text),
        ]
    )  # fmt: skip
