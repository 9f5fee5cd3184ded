"""A store's rows read in blocks: vectors as one array, the rest in columns, and not an object a row."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import compress
from pathlib import Path
from typing import Any, get_args

import numpy as np
from numpy.typing import NDArray

from clip_emotion.arrays import BoolArray
from clip_emotion.retrieval.labelling.labeller import BROKEN
from clip_emotion.retrieval.store.embedding_store import EmbeddingStore, vectors_from
from clip_emotion.retrieval.store.records import Place
from clip_emotion.types import FaceBox, FaceRegion, LabelledPart

BLOCK = 8192
"""Rows a block: enough for one fast matrix product, little enough for any memory."""
ROWS = (
    "SELECT f.name, f.place, f.raw, c.error, a.face, a.x, a.y, a.width, a.height, a.confidence, a.part, a.note, "
    "a.vector FROM files f CROSS JOIN contents c ON c.id = f.content LEFT JOIN faces a ON a.content = c.id "
    "ORDER BY f.id, a.part_no"
)
"""CROSS keeps SQLite from any other order of reading than that of the files."""
ROWS_OF = (
    "SELECT f.id, a.part_no, f.name, f.place, f.raw, c.error, a.face, a.x, a.y, a.width, a.height, a.confidence, "
    "a.part, a.note, a.vector FROM faces a CROSS JOIN contents c ON c.id = a.content "
    "CROSS JOIN files f ON f.content = c.id WHERE a.content = ? AND a.part_no = ? AND a.vector IS NOT NULL"
)
VECTORS = (
    "SELECT content, part_no, vector FROM faces WHERE vector IS NOT NULL "
    "AND EXISTS (SELECT 1 FROM files WHERE content = faces.content)"
)
COLUMNS = 13
_PARTS: dict[str | None, LabelledPart] = {None: "none", **{part: part for part in get_args(LabelledPart)}}


@dataclass(frozen=True)
class FaceBlock:
    """Rows of a store, in the order in which their files came: a row a face, or a picture without one.

    ``has_vector`` tells for each row whether it has a vector, ``vectors`` [V, D] are those of unit length; ``errors``
    holds a sentence where a row has no vector although it should. Boxes are columns of numbers, None without a face.
    """

    paths: Sequence[str]
    places: Sequence[str]
    raw: Sequence[bytes | None]
    errors: Sequence[str | None]
    indices: Sequence[int | None]
    boxes: tuple[Sequence[int | None], ...]
    confidences: Sequence[float | None]
    parts: Sequence[LabelledPart]
    notes: Sequence[str]
    has_vector: BoolArray
    vectors: NDArray[np.float32]

    def __len__(self) -> int:
        return len(self.paths)

    def face(self, row: int) -> FaceRegion:
        """Return what a row says of its part of the picture."""
        x, y, width, height = (side[row] for side in self.boxes)
        box = None if x is None or y is None or width is None or height is None else FaceBox(x, y, width, height)
        return FaceRegion(self.indices[row], box, self.confidences[row], self.parts[row], self.notes[row])

    def file(self, row: int) -> Path:
        """Return where a row's picture lies."""
        return Place(self.places[row], self.raw[row]).path


def face_blocks(store: EmbeddingStore, size: int = BLOCK) -> Iterator[FaceBlock]:
    """Yield all rows of one state of a store; raises DataError where it is damaged."""
    working = os.getcwd()  # noqa: PTH109
    with store.reading() as connection:
        cursor = connection.execute(ROWS)
        while rows := cursor.fetchmany(size):
            yield _block(rows, store, working)


def vector_blocks(
    connection: sqlite3.Connection, store: EmbeddingStore, size: int = BLOCK
) -> Iterator[tuple[list[tuple[int, int]], NDArray[np.float32]]]:
    """Yield the vectors [V, D] of all faces that some file has, and the content and part that each is of.

    It is several times as fast as reading whole rows. ``connection`` reads one state of the store.
    """
    cursor = connection.execute(VECTORS)
    while rows := cursor.fetchmany(size):
        contents, parts, blobs = zip(*rows, strict=True)
        yield list(zip(contents, parts, strict=True)), vectors_from(blobs, store.dim, store.path)


def faces_of(connection: sqlite3.Connection, store: EmbeddingStore, faces: Iterable[tuple[int, int]]) -> FaceBlock:
    """Return the rows of faces, by content and part, in the order in which their files came."""
    rows = [row for face in faces for row in connection.execute(ROWS_OF, face)]
    rows.sort(key=lambda row: row[:2])
    return _block([row[2:] for row in rows], store, os.getcwd())  # noqa: PTH109


def some_vectors(store: EmbeddingStore, embeddings: int, most: int) -> NDArray[np.float32]:
    """Return at most about ``most`` vectors [N, D] of a store that holds so many, spread evenly over it."""
    step = max(1, -(-embeddings // most))
    with store.reading() as connection:
        parts = [vectors[::step] for _, vectors in vector_blocks(connection, store)]
    return np.concatenate(parts) if parts else np.empty((0, store.dim or 0), dtype=np.float32)


def _block(rows: list[tuple[Any, ...]], store: EmbeddingStore, working: str) -> FaceBlock:
    columns: list[Sequence[Any]] = list(zip(*rows, strict=True)) if rows else [()] * COLUMNS
    names, places, raw, errors, indices, *rest = columns
    *boxes, confidences, parts, notes, blobs = rest
    has_vector: BoolArray = np.array([blob is not None for blob in blobs], dtype=np.bool_)
    shown = [
        name if name[:1] == "/" or f"{working}/{name}" == place else _shown(name, place, working)
        for name, place in zip(names, places, strict=True)
    ]
    if not has_vector.all():
        errors = [
            error if error or blob is not None or part in (None, "none") else BROKEN
            for error, blob, part in zip(errors, blobs, parts, strict=True)
        ]
        blobs = list(compress(blobs, has_vector.tolist()))
    vectors = vectors_from(blobs, store.dim, store.path)
    return FaceBlock(
        shown, places, raw, errors, indices, tuple(boxes), confidences, list(map(_PARTS.__getitem__, parts)),
        [note or "" for note in notes], has_vector, vectors,
    )  # fmt: skip


def _shown(name: str, place: str, working: str) -> str:
    """Return the name that the user wrote where it leads to the place from here, else the place."""
    return name if os.path.normpath(os.path.join(working, name)) == place else place  # noqa: PTH118
