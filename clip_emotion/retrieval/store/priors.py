"""The shares of words in a store, corrected for before its faces are labelled."""

from __future__ import annotations

import numpy as np

from clip_emotion.retrieval.labelling.labeller import ZeroShotLabeller
from clip_emotion.retrieval.store.embedding_store import EmbeddingStore
from clip_emotion.retrieval.store.reading import some_vectors
from clip_emotion.retrieval.store.upkeep import store_info

MOST = 200_000
"""Faces that shares are estimated from: of a larger store, every second, third … of them."""


def correct_prior(store: EmbeddingStore, labeller: ZeroShotLabeller, method: str) -> None:
    """Correct a labeller's logits by the shares of words that a method estimates over all faces of a store.

    Raises UsageError for an unknown method, or where the store holds another encoder's embeddings.
    """
    store.check_words(labeller.encoder, labeller.index.embeddings.shape[1])
    vectors = some_vectors(store, store_info(store).embeddings, MOST)
    logits = labeller.faces(vectors) if len(vectors) else np.empty((0, len(labeller.index)))
    labeller.faces = labeller.faces.shifted(method, logits)
