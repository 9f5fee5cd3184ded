"""The faces of a store as labelled images: with their embeddings, and with words where some were asked for."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import groupby

from clip_emotion.retrieval.exports.records import FaceLabels, LabelledImage, face_labels
from clip_emotion.retrieval.labelling.labeller import ZeroShotLabeller
from clip_emotion.retrieval.store.embedding_store import EmbeddingStore
from clip_emotion.retrieval.store.labelling import label_store
from clip_emotion.retrieval.store.reading import FaceBlock, face_blocks
from clip_emotion.types import Prediction

Row = tuple[LabelledImage, FaceLabels | None]


def stored_images(store: EmbeddingStore, labeller: ZeroShotLabeller | None, top: int) -> Iterator[LabelledImage]:
    """Yield the images of a store with their faces, and the ``top`` words of a labeller, or none without one.

    Raises UsageError where the store holds another encoder's embeddings.
    """
    rows = _wordless(store) if labeller is None else _labelled(store, labeller, top)
    for _, found in groupby(rows, key=lambda row: str(row[0].file)):
        several = list(found)
        image = several[0][0]
        faces = tuple(face for _, face in several if face is not None)
        yield LabelledImage(
            image.path, image.file, faces, image.model, image.vocabulary, error=None if faces else image.error
        )


def _labelled(store: EmbeddingStore, labeller: ZeroShotLabeller, top: int) -> Iterator[Row]:
    name = labeller.vocabulary.name
    for found in label_store(store, labeller, top):
        yield from _rows(found.block, found.predictions(), store.card.fingerprint, name)


def _wordless(store: EmbeddingStore) -> Iterator[Row]:
    for block in face_blocks(store):
        predictions = [
            Prediction(path, (), store.card.fingerprint, block.face(row), block.errors[row])
            for row, path in enumerate(block.paths)
        ]
        yield from _rows(block, predictions, store.card.fingerprint, "")


def _rows(block: FaceBlock, predictions: list[Prediction], model: str, vocabulary: str) -> Iterator[Row]:
    vectors = iter(block.vectors)
    for row, prediction in enumerate(predictions):
        vector = next(vectors) if block.has_vector[row] else None
        image = LabelledImage(prediction.path, block.file(row), (), model, vocabulary, error=prediction.error)
        yield image, face_labels(prediction, vector)
