"""Rows as Parquet, which cannot grow row by row: from JSON lines when a run ends, and back when it goes on."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, BinaryIO

from clip_emotion.errors import DataError, UsageError
from clip_emotion.retrieval.labelling.rows import DIMENSIONS, JsonLines, RunCard

Schema = Callable[[bool], Any]
"""Gives a Parquet schema, with columns for valence and arousal or without."""
CHUNK = 4096
"""So many rows are turned at a time."""


def write_table(rows: Path, target: Path, schema: Any) -> None:
    """Turn a file of JSON lines into Parquet of a schema, whole or not at all; raises DataError else."""
    import pyarrow as pa
    import pyarrow.parquet as pq

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


def read_table(source: Path, rows: Path, schema: Schema) -> None:
    """Turn such a Parquet file back into JSON lines, a few rows at a time; raises UsageError when it is not one."""
    import pyarrow as pa
    import pyarrow.dataset as pads
    import pyarrow.parquet as pq

    row_format = JsonLines()
    try:
        dimensions = DIMENSIONS[0] in pq.read_schema(source).names
        table = pads.dataset(source, schema=schema(dimensions), format="parquet")
        with rows.open("wb") as lines:
            for batch in table.to_batches(batch_size=CHUNK, batch_readahead=1, fragment_readahead=1):
                for row in batch.to_pylist():
                    lines.write(row_format.encode(row, RunCard("", "", 0)))
    except (pa.ArrowException, OSError) as error:
        rows.unlink(missing_ok=True)
        raise UsageError(f"{source} holds no rows that can be continued: give another --out.") from error


def image_schema(dimensions: bool) -> Any:
    """Return the Parquet schema of rows of images; with ``dimensions`` it has columns for valence and arousal."""
    import pyarrow as pa

    label = pa.struct(
        [("label", pa.string()), ("name", pa.string()), ("probability", pa.float64()), ("similarity", pa.float64())]
    )
    place = [("index", pa.int32()), ("box", pa.list_(pa.int32())), ("confidence", pa.float64())]
    face = pa.struct([*place, ("part", pa.string()), ("note", pa.string())])
    words = [(name, pa.string()) for name in ("model", "vocabulary", "settings", "error")]
    places = [(name, pa.float64()) for name in DIMENSIONS] if dimensions else []
    return pa.schema([("path", pa.string()), ("face", face), ("labels", pa.list_(label)), *places, *words])


def _chunks(lines: BinaryIO, size: int = CHUNK) -> Iterator[list[dict[str, Any]]]:
    chunk: list[dict[str, Any]] = []
    for line in lines:
        chunk.append(json.loads(line))
        if len(chunk) == size:
            yield chunk
            chunk = []
    if chunk:
        yield chunk
