"""Indexes over a store's faces: made from it, kept beside it under a checksum, and never trusted over it.

An index names candidates; what is told of them is read from the store. It is of one state of the store, which the
store's revision names: where that has changed, faces that are gone are removed and new ones added.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import math
import sqlite3
import struct
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import faiss
import numpy as np
from numpy.typing import NDArray

from clip_emotion.files import write_atomic
from clip_emotion.retrieval.store.embedding_store import EmbeddingStore, vectors_from
from clip_emotion.retrieval.store.index_choice import APPROXIMATE, EXACT, FaceKey, Recall
from clip_emotion.retrieval.store.reading import vector_blocks

MAGIC = b"CEmIndex1"
SUFFIX = ".index"
PER_LIST = 64
"""Faces of each list of the inverted file that it is trained on."""
LISTS_SEEN = 16
"""One list in so many is looked into; ``store info --recall`` tells what that costs."""
KEYS = np.dtype([("id", "<i8"), ("content", "<i8"), ("part", "<i4")])
FACES = (
    "SELECT c.sha256, c.boxes, a.content, a.part_no FROM faces a JOIN contents c ON c.id = a.content "
    "WHERE a.vector IS NOT NULL AND EXISTS (SELECT 1 FROM files WHERE content = a.content)"
)


@dataclass(frozen=True)
class Card:
    """What an index is of: this kind, over this state of a store of these embeddings."""

    kind: str
    revision: str
    fingerprint: str
    face: str
    dim: int

    @classmethod
    def of(cls, store: EmbeddingStore, connection: sqlite3.Connection, kind: str) -> Card:
        """Describe the index of the store as it is now."""
        found = connection.execute("SELECT value FROM card WHERE key = 'revision'").fetchone()
        revision = found[0] if found else ""
        return cls(kind, revision, store.card.fingerprint, f"{store.card.face} {store.card.given}", store.dim or 0)

    def is_of_the_same(self, other: Card) -> bool:
        """Tell whether another index holds embeddings of the same sort, in whatever state of the store."""
        return (self.kind, self.fingerprint, self.face, self.dim) == (
            other.kind, other.fingerprint, other.face, other.dim,
        )  # fmt: skip


@dataclass
class FaceIndex:
    """An index with the faces that it is of: ``keys`` [N] hold each one's id in it and its place in the store."""

    card: Card
    keys: NDArray[np.void]
    index: Any

    def nearest(self, directions: NDArray[np.float32], count: int) -> list[list[FaceKey]]:
        """Return the faces of the highest inner product with each direction [Q, D], best first."""
        if not len(self.keys):
            return [[] for _ in directions]
        _, ids = self.index.search(np.ascontiguousarray(directions), min(count, len(self.keys)))
        return [self._places(row[row >= 0]) for row in ids]

    def _places(self, ids: NDArray[np.int64]) -> list[FaceKey]:
        rows = self.keys[np.searchsorted(self.keys["id"], ids)]
        return list(zip(rows["content"].tolist(), rows["part"].tolist(), strict=True))


def open_index(store: EmbeddingStore, connection: sqlite3.Connection, kind: str) -> FaceIndex:
    """Return the index of a store as it is now: the one beside it, brought up to date or made anew, and kept there.

    A file that is damaged, or of other embeddings, is as good as none. ``connection`` reads one state of the store.
    """
    card, path = Card.of(store, connection, kind), index_path(store)
    found = _read(path)
    if found is not None and found.card == card:
        return found
    made = _updated(found, card, connection, store) if found is not None and found.card.is_of_the_same(card) else None
    made = made or _built(card, connection, store)
    with contextlib.suppress(OSError):  # as on a read-only disk: it is made anew the next time
        _write(path, made)
    return made


def index_path(store: EmbeddingStore) -> Path:
    """Return where a store's index lies."""
    return store.path.with_name(store.path.name + SUFFIX)


def _keys(connection: sqlite3.Connection) -> NDArray[np.void]:
    """Return all faces that some file has, sorted by their ids, which follow from content alone."""
    rows = [(_id(sha256, boxes, part), content, part) for sha256, boxes, content, part in connection.execute(FACES)]
    keys: NDArray[np.void] = np.array(rows, dtype=KEYS)
    return keys[np.argsort(keys["id"])]


def _id(sha256: str, boxes: str, part: int) -> int:
    digest = hashlib.blake2b(f"{sha256} {boxes} {part}".encode(), digest_size=8).digest()
    return int(struct.unpack("<Q", digest)[0] >> 1)


def _built(card: Card, connection: sqlite3.Connection, store: EmbeddingStore) -> FaceIndex:
    keys = _keys(connection)
    index = _MAKERS[card.kind](card.dim, keys, lambda: vector_blocks(connection, store))
    ids = dict(zip(zip(keys["content"].tolist(), keys["part"].tolist(), strict=True), keys["id"].tolist(), strict=True))
    for faces, vectors in vector_blocks(connection, store):
        index.add_with_ids(vectors, np.array([ids[face] for face in faces], dtype=np.int64))
    return FaceIndex(card, keys, index)


def _flat(dim: int, keys: NDArray[np.void], blocks: Any) -> Any:
    """Return an empty index of all vectors in half precision, as the store holds them."""
    index = faiss.IndexScalarQuantizer(dim, faiss.ScalarQuantizer.QT_fp16, faiss.METRIC_INNER_PRODUCT)
    index.train(np.zeros((1, dim), dtype=np.float32))
    return faiss.IndexIDMap(index)


def _inverted(dim: int, keys: NDArray[np.void], blocks: Any) -> Any:
    """Return an empty inverted file (IVF), trained on every so many faces; its vectors are in half precision."""
    lists = max(1, int(4 * math.sqrt(len(keys))))
    every = max(1, len(keys) // (PER_LIST * lists))
    index: Any = faiss.index_factory(dim, f"IVF{lists},SQfp16", faiss.METRIC_INNER_PRODUCT)
    index.cp.min_points_per_centroid = 1
    index.train(np.concatenate([vectors[::every] for _, vectors in blocks()]))
    index.nprobe = max(1, lists // LISTS_SEEN)
    return index


_MAKERS = {EXACT: _flat, APPROXIMATE: _inverted}


def _updated(found: FaceIndex, card: Card, connection: sqlite3.Connection, store: EmbeddingStore) -> FaceIndex | None:
    """Return an index of another state of the store brought up to date, or None where making it anew is less work."""
    keys = _keys(connection)
    gone = np.setdiff1d(found.keys["id"], keys["id"])
    new = keys[~np.isin(keys["id"], found.keys["id"])]
    if len(gone) + len(new) > len(keys) // 2:
        return None
    found.index.remove_ids(gone)
    if len(new):
        found.index.add_with_ids(_vectors(new, connection, store), np.ascontiguousarray(new["id"]))
    return FaceIndex(card, keys, found.index)


def _vectors(keys: NDArray[np.void], connection: sqlite3.Connection, store: EmbeddingStore) -> NDArray[np.float32]:
    query = "SELECT vector FROM faces WHERE content = ? AND part_no = ?"
    places = zip(keys["content"].tolist(), keys["part"].tolist(), strict=True)
    return vectors_from([connection.execute(query, place).fetchone()[0] for place in places], store.dim, store.path)


def _write(path: Path, made: FaceIndex) -> None:
    payload = made.keys.tobytes() + faiss.serialize_index(made.index).tobytes()
    told = {**asdict(made.card), "faces": len(made.keys), "size": len(payload), "crc32": zlib.crc32(payload)}
    head = json.dumps(told).encode()
    write_atomic(path, MAGIC + struct.pack("<I", len(head)) + head + payload)


def _read(path: Path) -> FaceIndex | None:
    """Return the index of a file, or None where there is none, or it is not whole."""
    try:
        content = memoryview(path.read_bytes())
        start = len(MAGIC) + 4
        if content[: len(MAGIC)] != MAGIC:
            return None
        (length,) = struct.unpack_from("<I", content, len(MAGIC))
        head = json.loads(bytes(content[start : start + length]))
        payload = content[start + length :]
        faces, size, crc32 = (head.pop(name) for name in ("faces", "size", "crc32"))
        if (len(payload), zlib.crc32(payload)) != (size, crc32):
            return None
        keys = np.frombuffer(payload, dtype=KEYS, count=faces)
        index = faiss.deserialize_index(np.frombuffer(payload[keys.nbytes :], dtype=np.uint8))
        card = Card(**head)
    except (OSError, ValueError, KeyError, TypeError, struct.error, RuntimeError):
        return None
    return FaceIndex(card, keys, index) if (index.d, index.ntotal) == (card.dim, faces) else None


def measure_recall(
    found: FaceIndex, connection: sqlite3.Connection, store: EmbeddingStore, k: int = 10, queries: int = 200
) -> Recall:
    """Ask for the nearest faces of some faces of the store, by the index and exactly."""
    chosen = np.random.default_rng(0).choice(found.keys, min(queries, len(found.keys)), replace=False)
    directions = _vectors(chosen, connection, store)
    exact = _exact(directions, vector_blocks(connection, store), k)
    pairs = zip(found.nearest(directions, k), exact, strict=True)
    shares = [len({*one} & {*two}) / max(1, len(two)) for one, two in pairs]
    return Recall(float(np.mean(shares)) if shares else 1.0, k, len(chosen))


def _exact(
    directions: NDArray[np.float32], blocks: Iterator[tuple[list[FaceKey], NDArray[np.float32]]], k: int
) -> Sequence[Sequence[FaceKey]]:
    best: list[list[tuple[float, FaceKey]]] = [[] for _ in directions]
    for faces, vectors in blocks:
        scores = directions @ vectors.T
        at = np.argsort(-scores, axis=1)[:, :k]
        for row, places in enumerate(at.tolist()):
            new = [(float(scores[row, place]), faces[place]) for place in places]
            best[row] = sorted([*best[row], *new], key=lambda one: -one[0])[:k]
    return [[face for _, face in row] for row in best]
