"""A store looked after: counted, verified, and cleared of files that are gone."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from clip_emotion.errors import DataError, UsageError
from clip_emotion.retrieval.store.database import told, transaction
from clip_emotion.retrieval.store.embedding_store import EmbeddingStore
from clip_emotion.retrieval.store.index_choice import Recall
from clip_emotion.retrieval.store.records import VECTOR, Place

FAULTS = 20
"""Faults that a check names at most."""
UNIT = 5e-3
"""How far a vector's length may lie from 1: half precision moves it by less."""
_COUNTS = {
    "files": "SELECT count(*) FROM files",
    "contents": "SELECT count(*) FROM contents",
    "embeddings": "SELECT count(vector) FROM faces",
    "faces": "SELECT count(*) FROM faces WHERE part = 'face'",
    "failed": "SELECT count(*) FROM files JOIN contents c ON c.id = content WHERE c.error IS NOT NULL",
    "unused": "SELECT count(*) FROM contents WHERE id NOT IN (SELECT content FROM files)",
}


@dataclass(frozen=True)
class StoreInfo:
    """What a store holds: ``contents`` are different files, ``unused`` those that no file has any more."""

    path: str
    model: str
    encoder: str
    fingerprint: str
    face: str
    dim: int | None
    files: int
    contents: int
    embeddings: int
    faces: int
    failed: int
    unused: int
    megabytes: float

    def to_dict(self) -> dict[str, Any]:
        """Return the values as JSON takes them."""
        return asdict(self)


def store_info(store: EmbeddingStore) -> StoreInfo:
    """Count what a store holds."""
    with store.reading() as connection:
        counts = {name: connection.execute(query).fetchone()[0] for name, query in _COUNTS.items()}
    card = store.card
    size = round(store.path.stat().st_size / 1e6, 1)
    return StoreInfo(
        str(store.path), card.model, card.encoder, card.fingerprint, card.face, store.dim, megabytes=size, **counts
    )


def recall_of(store: EmbeddingStore, kind: str) -> Recall:
    """Measure an index of a store, of a kind that is kept beside it, against exact search."""
    from clip_emotion.retrieval.store.index import measure_recall, open_index

    with store.reading() as connection:
        return measure_recall(open_index(store, connection, kind), connection, store)


def verify(store: EmbeddingStore) -> list[str]:
    """Return a sentence for each fault of a store, few at most: its pages, its references, its vectors."""
    try:
        with store.reading() as connection:
            pages = [line for (line,) in connection.execute("PRAGMA integrity_check") if line != "ok"]
            faults = [f"The file is damaged: {' '.join(str(line).split())}." for line in pages]
            broken = connection.execute("PRAGMA foreign_key_check").fetchall()
            faults += [f"Row {row[1]} of {row[0]} belongs to nothing." for row in broken]
            faults += _vector_faults(store)
    except DataError as error:
        return [str(error)]
    return faults[:FAULTS]


def _vector_faults(store: EmbeddingStore) -> Iterator[str]:
    size = (store.dim or 0) * VECTOR.itemsize
    query = "SELECT content, part_no, vector FROM faces WHERE vector IS NOT NULL"
    for content, part, blob in store.connection.execute(query):
        where = f"Face {part + 1} of content {content}"
        if len(blob) != size:
            yield f"{where} has a vector of {len(blob)} bytes, not {size}."
            continue
        length = float(np.linalg.norm(np.frombuffer(blob, dtype=VECTOR).astype(np.float64)))
        if not abs(length - 1) <= UNIT:
            yield f"{where} has a vector of length {length:.3f}, not 1."


@dataclass(frozen=True)
class Pruned:
    """What was, or would be, taken out of a store: files that are gone, and contents that no file has any more."""

    files: list[str]
    contents: int


def prune(store: EmbeddingStore, *, everything: bool = False, dry: bool = False) -> Pruned:
    """Take out the files that are no longer there, and the embeddings that no file has any more.

    With ``dry`` nothing is changed. Raises UsageError where all files are gone, which is rather a drive that is not
    there, unless ``everything`` says that they may go.
    """
    with store.reading() as connection:
        rows = connection.execute("SELECT id, place, raw FROM files ORDER BY id").fetchall()
    gone = [(number, place) for number, place, raw in rows if not os.path.lexists(Place(place, raw).path)]
    if rows and len(gone) == len(rows) and not everything:
        raise UsageError(
            f"None of the {len(rows):,} files of {store.path} is there, as where a drive is missing: connect it, or "
            "add --all to take them all out."
        )
    with told(store.path), transaction(store.connection, keep=not dry):
        store.connection.executemany("DELETE FROM files WHERE id = ? AND place = ?", gone)
        query = "DELETE FROM contents WHERE id NOT IN (SELECT content FROM files)"
        contents = store.connection.execute(query).rowcount
        store.renew_revision()
    if contents and not dry:
        _shrink(store)
    return Pruned([place for _, place in gone], contents)


def _shrink(store: EmbeddingStore) -> None:
    """Give the room of what was taken out back to the disk."""
    with told(store.path):
        store.connection.execute("VACUUM")
