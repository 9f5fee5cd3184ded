"""Stores of embeddings for tests, filled by the fake encoder."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from clip_emotion.data.faces.options import FaceOptions
from clip_emotion.data.finding import find_images
from clip_emotion.retrieval.labelling.stream import StreamConfig
from clip_emotion.retrieval.store.embedding import EmbedCounts, Embedding
from clip_emotion.retrieval.store.embedding_store import EmbeddingStore
from clip_emotion.retrieval.store.reading import face_blocks
from clip_emotion.retrieval.store.records import StoreCard
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
