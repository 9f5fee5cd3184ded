"""Labelled pictures whose embeddings a store has: found by content or path, with no encoder of pictures."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from clip_emotion.data.faces.parts import FACELESS
from clip_emotion.errors import ImageError, UsageError
from clip_emotion.models.base import ImageTextEncoder
from clip_emotion.retrieval.evaluation.encoding import Encoded, Progress, none_usable
from clip_emotion.retrieval.evaluation.labelled import ImageRow
from clip_emotion.retrieval.labelling.stream import StreamConfig
from clip_emotion.retrieval.store.embedding_store import EmbeddingStore, StoredFace
from clip_emotion.retrieval.store.records import Place


@dataclass(frozen=True)
class StoredRows:
    """Finds the embeddings of labelled pictures in a store, in place of ``encode_image_rows``.

    A picture is found by its content; one that is gone by its path, relative to one of ``folders``. Raises UsageError
    where the store has a row a face, or another encoder's embeddings.
    """

    store: EmbeddingStore
    folders: Sequence[Path] = (Path(),)

    def __post_init__(self) -> None:
        if self.store.card.options().mode == "each":
            raise UsageError(
                f"A picture has one true class, and {self.store.path} holds each of its faces: embed with --face auto, "
                "none or require into another store."
            )

    def __call__(
        self, encoder: ImageTextEncoder, rows: Sequence[ImageRow], stream: StreamConfig, progress: Progress
    ) -> Encoded:
        """Return the embeddings of the rows that the store has; raises DataError where it has none."""
        self.store.check_encoder(encoder.name, encoder.fingerprint)
        vectors, kept = [], []
        errors: list[str] = []
        faceless = skipped = 0
        for place, row in enumerate(rows):
            face = self._face(row)
            faceless += face.note in FACELESS
            if face.vector is not None:
                vectors.append(face.vector)
                kept.append(place)
            elif face.error is not None:
                errors.append(f"{row.where}: {face.error}")
            else:
                skipped += 1
            progress(1)
        if not kept:
            raise none_usable(len(rows), errors)
        return Encoded(np.stack(vectors), kept, tuple(errors), faceless, skipped)

    def _face(self, row: ImageRow) -> StoredFace:
        try:
            digest = hashlib.sha256(row.read()).hexdigest()
        except ImageError as error:
            gone = f"{error}, and {self.store.path} has no picture from there"
            return self._face_at(row.name) or StoredFace(None, "", gone)
        missing = f"The picture is not in {self.store.path}: embed it first."
        return self.store.first_face(digest) or StoredFace(None, "", missing)

    def _face_at(self, name: str) -> StoredFace | None:
        places = (Place.of(folder / name) for folder in self.folders if name)
        return next(filter(None, map(self.store.face_at, places)), None)
