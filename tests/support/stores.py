"""Stores of embeddings for tests, filled by the fake encoder."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from clip_emotion.data.faces.options import FaceOptions
from clip_emotion.data.finding import find_images
from clip_emotion.retrieval.labelling.stream import StreamConfig
from clip_emotion.retrieval.store.embedding import EmbedCounts, Embedding
from clip_emotion.retrieval.store.embedding_store import EmbeddingStore
from clip_emotion.retrieval.store.reading import face_blocks
from clip_emotion.retrieval.store.records import VECTOR, Picture, Place, StoreCard, StoredFile, StoredRegion
from clip_emotion.types import FaceBox, FaceRegion
from tests.support.fakes import FakeEncoder
from tests.support.pictures import noise, save

WHOLE = FaceOptions("none")
Embed = Callable[..., EmbedCounts]


def write_noise(folder: Path, count: int) -> Path:
    """Write so many pictures of noise, no two alike."""
    for number in range(count):
        save(noise((48, 48), number), folder / f"{number:02}.png")
    return folder


def embed(
    store: Path,
    *paths: Path,
    encoder: Any = None,
    faces: FaceOptions = WHOLE,
    batch_size: int = 4,
    retry: bool = False,
) -> EmbedCounts:
    """Bring pictures into a store, as ``clip-emotion embed`` does."""
    encoder = encoder or FakeEncoder()
    sources = find_images([str(path) for path in paths]).sources
    with EmbeddingStore.open_for(store, StoreCard.of(encoder, "fake", faces)) as opened:
        return Embedding(opened, encoder, StreamConfig(faces, batch_size), retry).run(sources)


def write_vectors(store: Path, vectors: NDArray[np.floating[Any]]) -> None:
    """Write a store with a face of each vector [N, D], brought to unit length, as the fake encoder's."""
    unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    pictures = []
    for number, vector in enumerate(unit):
        name = f"/faces/{number:05}.png"
        file = StoredFile(name, Place(name), 100, number, f"{number:064x}")
        region = StoredRegion(FaceRegion(0, FaceBox(0, 0, 9, 9), 0.9, "face"), None, vector.astype(VECTOR).tobytes())
        pictures.append(Picture(file, [region]))
    encoder: Any = FakeEncoder()
    with EmbeddingStore.open_for(store, StoreCard.of(encoder, "fake", FaceOptions())) as opened:
        opened.write(pictures)


def content_of(store: Path) -> list[tuple[str, object, bytes | None]]:
    """Return the rows of a store: path, face and vector."""
    with EmbeddingStore.open(store) as opened:
        rows: list[tuple[str, object, bytes | None]] = []
        for block in face_blocks(opened, size=3):
            vectors = iter(block.vectors)
            for row, has_vector in enumerate(block.has_vector):
                rows.append((block.paths[row], block.face(row), next(vectors).tobytes() if has_vector else None))
        return rows


def names_of(rows: Sequence[tuple[str, object, bytes | None]]) -> list[str]:
    """Return the names of the files of rows."""
    return [Path(path).name for path, _, _ in rows]
