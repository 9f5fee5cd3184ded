"""Embedded regions as bytes, between the processes of an engine."""

from __future__ import annotations

import io
from collections.abc import Iterable
from typing import Any

import numpy as np

from clip_emotion.retrieval.labelling.labeller import EmbeddedRegion
from clip_emotion.retrieval.store.parts import region_face, region_rows, region_type
from clip_emotion.retrieval.store.records import StoredRegion

VECTOR = np.dtype("<f4")
"""Single precision: rows of ``label`` must not tell whether a picture was embedded elsewhere."""


def to_bytes(regions: Iterable[EmbeddedRegion]) -> bytes:
    """Return regions as an Arrow stream."""
    import pyarrow as pa

    rows = []
    for region in regions:
        vector = None if region.vector is None else region.vector.astype(VECTOR).tobytes()
        row = region_rows([StoredRegion(region.face, None, vector)])[0]
        rows.append({"name": region.name, "error": region.error, "region": row})
    schema = pa.schema([("name", pa.string()), ("error", pa.string()), ("region", region_type())])
    target = io.BytesIO()
    with pa.ipc.new_stream(target, schema) as writer:
        writer.write_table(pa.Table.from_pylist(rows, schema=schema))
    return target.getvalue()


def from_bytes(content: bytes) -> list[EmbeddedRegion]:
    """Return the regions that an Arrow stream holds."""
    import pyarrow as pa

    with pa.ipc.open_stream(content) as reader:
        rows: list[dict[str, Any]] = reader.read_all().to_pylist()
    return [EmbeddedRegion(row["name"], region_face(row["region"]), _vector(row), row["error"]) for row in rows]


def _vector(row: dict[str, Any]) -> Any:
    blob = row["region"]["vector"]
    return None if blob is None else np.frombuffer(blob, dtype=VECTOR)
