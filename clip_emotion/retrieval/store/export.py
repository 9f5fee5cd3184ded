"""A store as Parquet, for whatever reads columns."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from clip_emotion.errors import DataError
from clip_emotion.retrieval.store.embedding_store import EmbeddingStore
from clip_emotion.retrieval.store.reading import BLOCK
from clip_emotion.retrieval.store.records import LANDMARK, VECTOR

COLUMNS = (
    "path", "sha256", "size", "mtime_ns", "face", "x", "y", "width", "height", "confidence", "landmarks", "part",
    "note", "vector",
)  # fmt: skip
QUERY = (
    "SELECT f.place, c.sha256, f.size, f.mtime_ns, a.face, a.x, a.y, a.width, a.height, a.confidence, a.landmarks, "
    "a.part, a.note, a.vector FROM files f CROSS JOIN contents c ON c.id = f.content "
    "CROSS JOIN faces a ON a.content = c.id WHERE a.vector IS NOT NULL ORDER BY f.id, a.part_no"
)
LEFT_OUT = (
    "SELECT count(*), count(*) FILTER (WHERE c.error IS NULL AND coalesce(a.part, 'none') = 'none') FROM files f "
    "JOIN contents c ON c.id = f.content LEFT JOIN faces a ON a.content = c.id WHERE a.vector IS NULL"
)


@dataclass(frozen=True)
class Exported:
    """How many rows were written, and how many were not since nothing was embedded.

    ``failed`` are those of pictures that could not be used, ``faceless`` those of pictures without a face.
    """

    rows: int
    failed: int
    faceless: int


def export_parquet(store: EmbeddingStore, target: Path) -> Exported:
    """Write a row a face that has a vector, in single precision; the file is written whole or not at all.

    What all rows share stands in the file's metadata. Raises DataError where it cannot be written.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    schema = _schema(pa, store)
    draft = target.with_name(f".{target.name}.draft")
    rows = 0
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with store.reading() as connection, pq.ParquetWriter(draft, schema) as writer:
            without, faceless = connection.execute(LEFT_OUT).fetchone()
            cursor = connection.execute(QUERY)
            while block := cursor.fetchmany(BLOCK):
                writer.write_table(_table(pa, schema, block))
                rows += len(block)
        draft.replace(target)
    except OSError as error:
        draft.unlink(missing_ok=True)
        raise DataError(f"Cannot write {target} ({error.strerror or error}): make room, then run again.") from error
    return Exported(rows, without - faceless, faceless)


def _table(pa: Any, schema: Any, block: list[tuple[Any, ...]]) -> Any:
    columns = dict(zip(COLUMNS, zip(*block, strict=True), strict=True))
    columns["vector"] = _lists(columns["vector"], VECTOR)
    columns["landmarks"] = _lists(columns["landmarks"], LANDMARK)
    return pa.table({name: pa.array(columns[name], type=schema.field(name).type) for name in COLUMNS}, schema=schema)


def _lists(blobs: tuple[bytes | None, ...], kind: np.dtype[Any]) -> tuple[Any, ...]:
    return tuple(None if blob is None else np.frombuffer(blob, dtype=kind).astype(np.float32) for blob in blobs)


def _schema(pa: Any, store: EmbeddingStore) -> Any:
    numbers = pa.list_(pa.float32())
    kinds = {
        "size": pa.int64(), "mtime_ns": pa.int64(), "face": pa.int32(), "x": pa.int32(), "y": pa.int32(),
        "width": pa.int32(), "height": pa.int32(), "confidence": pa.float64(), "landmarks": numbers, "vector": numbers,
    }  # fmt: skip
    card = {"model": store.card.fingerprint, "encoder": store.card.encoder, "face": store.card.face}
    return pa.schema([(name, kinds.get(name, pa.string())) for name in COLUMNS], metadata=card)
