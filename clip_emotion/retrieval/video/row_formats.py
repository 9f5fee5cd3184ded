"""Rows of videos as CSV and Parquet; as JSON lines they are what ``rows.to_line`` gives."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from clip_emotion.csv_text import BOM, csv_line
from clip_emotion.retrieval.labelling.rows import RANK_COLUMNS, JsonLines, RowFormat, RunCard, csv_rows
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

    def decode(self, lines: Iterable[bytes]) -> Iterator[tuple[int, dict[str, Any]]]:
        """Yield each whole row with the offset at which it ends; the header is no row."""
        for end, cells in csv_rows(lines):
            yield end, _nested(cells)


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


def video_schema(dimensions: bool) -> Any:
    """Return the Parquet schema of rows of videos; with ``dimensions`` it has columns for valence and arousal."""
    import pyarrow as pa

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
