"""A vocabulary's labels in an encoder's space: by their prompts, or as the classes that they name."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from clip_emotion.arrays import Float32Array
from clip_emotion.models.base import ClassEncoder, ImageTextEncoder
from clip_emotion.vocabulary import Vocabulary

SHORTEST = 1e-12
"""A vector is divided by its length, or by this where it has none."""


def label_embeddings(encoder: ImageTextEncoder, vocabulary: Vocabulary, language: str) -> Float32Array:
    """Return the embedding of each label [L, D]: of its prompts on average, or of the class that it names."""
    if isinstance(encoder, ClassEncoder):
        return np.asarray(encoder.encode_labels(vocabulary), dtype=np.float32)
    prompts = vocabulary.prompts(language)
    encoded = np.asarray(encoder.encode_texts([prompt for of_label in prompts for prompt in of_label]))
    return _prototypes(encoded, [len(of_label) for of_label in prompts])


def _prototypes(prompts: NDArray[np.float32], counts: Sequence[int]) -> NDArray[np.float32]:
    """Return each label's embedding [L, D] as ``models.prototypes`` does, of its ``counts`` prompts in [P, D]."""
    means = np.stack([of_label.mean(axis=0) for of_label in np.split(prompts, np.cumsum(counts)[:-1])])
    unit: NDArray[np.float32] = means / np.maximum(np.linalg.norm(means, axis=1, keepdims=True), SHORTEST)
    return unit
