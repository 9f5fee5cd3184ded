"""``EmbeddingStore``: the embeddings of pictures in one SQLite file, which is the only truth about them."""

from __future__ import annotations

import os
import sqlite3
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from clip_emotion.errors import ClipEmotionError, DataError, UsageError
from clip_emotion.files import expanded
from clip_emotion.models.base import ImageTextEncoder
from clip_emotion.retrieval.labelling.labeller import BROKEN
from clip_emotion.retrieval.store import database
from clip_emotion.retrieval.store.database import told, transaction
from clip_emotion.retrieval.store.records import VECTOR, Picture, Place, StoreCard, StoredFile

COPIES = 8
"""Files of one content that are looked at to tell a moved file from a copy."""
FACE_COLUMNS = "content, part_no, face, x, y, width, height, confidence, landmarks, part, note, vector"
FULL = "fp32"
"""The precision that a fingerprint does not name."""


@dataclass(frozen=True, slots=True)
class Found:
    """A file that is in a store unchanged, and whether it could not be used."""

    failed: bool


@dataclass(frozen=True, slots=True)
class StoredFace:
    """A part of a picture in a store: its vector [D] of unit length, or None, and why where that is a fault."""

    vector: NDArray[np.float32] | None
    note: str
    error: str | None


class EmbeddingStore:
    """Embeddings of pictures' faces, by content: a picture is embedded once, wherever and however often it lies.

    Every change is one short transaction, so that a process may be killed at any instant, and several may write at
    once. Use it as a context manager, or ``close`` it.
    """

    def __init__(self, path: Path, connection: sqlite3.Connection) -> None:
        self.path = path
        self.connection = connection
        with told(path):
            pairs = dict(connection.execute("SELECT key, value FROM card"))
        try:
            self.card = StoreCard.read(pairs)
            self.dim = int(pairs["dim"]) if "dim" in pairs else None
        except KeyError as error:
            connection.close()
            raise UsageError(f"{path} is empty: fill it with clip-emotion embed PATHS --store {path}.") from error
        except (ValueError, ClipEmotionError) as error:
            connection.close()
            raise database.damaged(path) from error

    @classmethod
    def open(cls, path: str | Path) -> EmbeddingStore:
        """Open a store that is there; raises UsageError or DataError where it is none, or is damaged."""
        path = expanded(path)
        return cls(path, database.connect(path))

    @classmethod
    def open_for(cls, path: str | Path, card: StoreCard) -> EmbeddingStore:
        """Open a store for embeddings of this card, made anew where there is none.

        Raises UsageError where it holds embeddings of another encoder, or of faces found in another way.
        """
        path = expanded(path)
        connection = database.create(path)
        with told(path), transaction(connection):
            if not connection.execute("SELECT count(*) FROM card").fetchone()[0]:
                connection.executemany("INSERT INTO card VALUES (?, ?)", card.written().items())
        store = cls(path, connection)
        try:
            store.check_encoder(card.encoder, card.fingerprint)
            store._check_faces(card)
        except UsageError:
            store.close()
            raise
        return store

    def __enter__(self) -> EmbeddingStore:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the file."""
        self.connection.close()

    def check_encoder(self, name: str, fingerprint: str) -> None:
        """Raise UsageError where the embeddings are another encoder's."""
        if fingerprint != self.card.fingerprint:
            own = self.card
            (base, _, ours), (given, _, theirs) = own.fingerprint.partition("+"), fingerprint.partition("+")
            if base == given:
                raise UsageError(
                    f"{self.path} holds embeddings in {ours or FULL}, not in {theirs or FULL}, and the two are further "
                    f"apart than two runs may be: use {_way_to(ours, own.model)}, or embed into another store."
                )
            raise UsageError(
                f"{self.path} holds embeddings of {own.encoder} ({own.fingerprint[:17]}), not of {name} "
                f"({fingerprint[:17]}): use --model {own.model}, or embed into another store."
            )

    def check_words(self, encoder: ImageTextEncoder, dim: int) -> None:
        """Raise UsageError where an encoder's words of ``dim`` numbers do not lie in the space of the embeddings."""
        self.check_encoder(encoder.name, encoder.fingerprint)
        if self.dim not in (None, dim):
            raise UsageError(
                f"{self.path} holds vectors of {self.dim} numbers, and {encoder.name} gives {dim}: embed into another "
                "store."
            )

    def _check_faces(self, card: StoreCard) -> None:
        own = self.card
        if card.face != own.face:
            raise UsageError(
                f"{self.path} holds faces found with '{own.face}', not with '{card.face}': use the same face options, "
                "or embed into another store."
            )
        if card.given != own.given:
            raise UsageError(
                f"{self.path} holds the faces of another --boxes file: give the same file, or embed into another store."
            )

    @contextmanager
    def reading(self) -> Iterator[sqlite3.Connection]:
        """Hand out the connection for reading one state of the store, whatever others write meanwhile.

        Within a reading, another one sees the same state.
        """
        with told(self.path):
            if self.connection.in_transaction:
                yield self.connection
                return
            self.connection.execute("BEGIN")
            try:
                yield self.connection
            finally:
                self.connection.rollback()

    def found(self, place: str, size: int, mtime_ns: int) -> Found | None:
        """Return what became of a file of this size and time, or None where the store has no such."""
        query = (
            "SELECT error IS NOT NULL FROM files JOIN contents c ON c.id = content "
            "WHERE place = ? AND size = ? AND mtime_ns = ?"
        )
        row = self._one(query, place, size, mtime_ns)
        return None if row is None else Found(bool(row[0]))

    def knows(self, content: tuple[str, str], *, failed: bool = True) -> bool:
        """Tell whether a content is in the store; with ``failed`` False, only one that could be used."""
        query = "SELECT 1 FROM contents WHERE sha256 = ? AND boxes = ?" + ("" if failed else " AND error IS NULL")
        return self._one(query, *content) is not None

    def count_files(self) -> int:
        """Return how many files the store has."""
        return int((self._one("SELECT count(*) FROM files") or (0,))[0])

    def contents(self, *, failed: bool = True) -> Iterator[tuple[str, str]]:
        """Yield all contents; with ``failed`` False, only those that could be used."""
        query = "SELECT sha256, boxes FROM contents" + ("" if failed else " WHERE error IS NULL")
        with self.reading() as connection:
            yield from connection.execute(query)

    def _one(self, query: str, *values: object) -> tuple[Any, ...] | None:
        with told(self.path):
            found: tuple[Any, ...] | None = self.connection.execute(query, values).fetchone()
            return found

    def write(self, pictures: Sequence[Picture]) -> list[Picture]:
        """Write pictures in one transaction, all or nothing, and return those that were written.

        A picture without regions, whose content is thought to be known and is not, is left out. Raises DataError where
        nothing can be written.
        """
        written = []
        dims = {len(vector) // VECTOR.itemsize for picture in pictures for vector in picture.vectors()}
        with told(self.path), transaction(self.connection):
            for dim in dims:
                self._settle_dim(dim)
            for picture in pictures:
                content = self._write_content(picture)
                if content is not None:
                    self._write_file(picture.file, content)
                    written.append(picture)
            self.renew_revision()
        return written

    def renew_revision(self) -> None:
        """Name the store's state anew, within a transaction that changes it: an index is of one such state."""
        query = "INSERT INTO card VALUES ('revision', ?) ON CONFLICT (key) DO UPDATE SET value = excluded.value"
        self.connection.execute(query, (uuid.uuid4().hex,))

    def _settle_dim(self, dim: int) -> None:
        self.connection.execute("INSERT INTO card VALUES ('dim', ?) ON CONFLICT DO NOTHING", (str(dim),))
        self.dim = int(self.connection.execute("SELECT value FROM card WHERE key = 'dim'").fetchone()[0])
        if self.dim != dim:
            raise DataError(f"{self.path} holds vectors of {self.dim} numbers, not {dim}: embed into another store.")

    def _write_content(self, picture: Picture) -> int | None:
        """Write what a file holds, unless the store has it, and return its number, or None where it is not known."""
        find = "SELECT id, error FROM contents WHERE sha256 = ? AND boxes = ?"
        there = self.connection.execute(find, picture.file.content).fetchone()
        if there and there[1] is not None and picture.regions is not None:
            # It failed before and was tried again.
            self.connection.execute("UPDATE contents SET error = ? WHERE id = ?", (picture.error, there[0]))
            self.connection.execute("DELETE FROM faces WHERE content = ?", (there[0],))
        elif there:
            return int(there[0])
        if picture.regions is None:
            return None
        number = there[0] if there else self._new_content(picture)
        places = ", ".join("?" * 12)
        self.connection.executemany(
            f"INSERT INTO faces ({FACE_COLUMNS}) VALUES ({places})",
            [(number, at, *region.columns()) for at, region in enumerate(picture.regions)],
        )
        return int(number)

    def _new_content(self, picture: Picture) -> int:
        query = "INSERT INTO contents (sha256, boxes, error) VALUES (?, ?, ?)"
        return int(self.connection.execute(query, (*picture.file.content, picture.error)).lastrowid or 0)

    def _write_file(self, file: StoredFile, content: int) -> None:
        place = file.place
        values = (place.text, file.name, place.raw, file.size, file.mtime_ns, content)
        known = self.connection.execute("SELECT id FROM files WHERE place = ?", (place.text,)).fetchone()
        number = known[0] if known else self._moved_from(content)
        if number is None:
            query = "INSERT INTO files (place, name, raw, size, mtime_ns, content) VALUES (?, ?, ?, ?, ?, ?)"
            self.connection.execute(query, values)
        else:
            query = "UPDATE files SET place = ?, name = ?, raw = ?, size = ?, mtime_ns = ?, content = ? WHERE id = ?"
            self.connection.execute(query, (*values, number))

    def _moved_from(self, content: int) -> int | None:
        """Return the number of a file of the same content that is no longer where it was, or None."""
        query = "SELECT id, place, raw FROM files WHERE content = ? LIMIT ?"
        for number, place, raw in self.connection.execute(query, (content, COPIES)):
            if not os.path.lexists(Place(place, raw).path):
                return int(number)
        return None

    def first_face(self, sha256: str) -> StoredFace | None:
        """Return the first part of the picture with this content, or None where the store has no such picture."""
        return self._first_face("sha256 = ?", sha256)

    def face_at(self, place: Place) -> StoredFace | None:
        """Return the first part of the picture that lay at a place, or None where the store has none from there."""
        return self._first_face("id = (SELECT content FROM files WHERE place = ?)", place.text)

    def _first_face(self, condition: str, value: str) -> StoredFace | None:
        query = (
            f"SELECT error, part, note, vector FROM contents LEFT JOIN faces ON content = id WHERE {condition} "
            "ORDER BY id, part_no LIMIT 1"
        )
        row = self._one(query, value)
        if row is None:
            return None
        error, part, note, blob = row
        vector = None if blob is None else vectors_from([blob], self.dim, self.path)[0]
        broken = BROKEN if vector is None and part not in (None, "none") else None
        return StoredFace(vector, note or "", error or broken)


def vectors_from(blobs: Sequence[bytes], dim: int | None, path: Path) -> NDArray[np.float32]:
    """Return vectors [N, D] of unit length from their bytes; raises DataError where some have another size."""
    size = (dim or 0) * VECTOR.itemsize
    if not blobs:
        return np.empty((0, dim or 0), dtype=np.float32)
    content = b"".join(blobs)
    if len(content) != size * len(blobs) or len(blobs[0]) != size:
        raise database.damaged(path)
    vectors = np.frombuffer(content, dtype=VECTOR).reshape(len(blobs), dim or 0).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True).clip(1e-12)
    return vectors


def _way_to(precision: str, model: str) -> str:
    """Return the option by which an encoder computes in a store's precision; int8 is another model, an export."""
    return f"--model {model}" if precision.startswith("int8") else f"--precision {precision or FULL}"
