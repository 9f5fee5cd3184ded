"""Valence and arousal of pictures, from the probabilities of words that people have rated."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from clip_emotion.arrays import FloatingArray
from clip_emotion.errors import UsageError
from clip_emotion.models.base import ImageTextEncoder
from clip_emotion.retrieval.labelling.index import VocabularyIndex
from clip_emotion.retrieval.labelling.languages import choose_language
from clip_emotion.retrieval.labelling.softmax import softmax
from clip_emotion.vocabulary import Vocabulary

RATED = "rated49"
"""The vocabulary whose words have people's ratings."""


class RatedWords:
    """Words with ratings, in an encoder's space: encoded once, beside whatever words the user asks for.

    They are put in Korean, in which they were rated, where the encoder reads it, and else in English.
    """

    def __init__(
        self, encoder: ImageTextEncoder, vocabulary: Vocabulary | None = None, *, cache: Path | None = None
    ) -> None:
        vocabulary = vocabulary or Vocabulary.load(RATED)
        self.ratings = _ratings(vocabulary)
        """Valence and arousal of each word, [W, 2]."""
        self.language = choose_language(encoder, vocabulary)
        self.index = VocabularyIndex.cached(encoder, vocabulary, self.language, cache)
        self.logit_scale = encoder.logit_scale

    def dimensions(self, embeddings: FloatingArray) -> NDArray[np.float64]:
        """Return valence and arousal in [-1, 1], [N, 2], of pictures' embeddings [N, D] of unit length.

        Each is the expectation of the ratings r_w under the probabilities of the rated words w = 1 … W:
        d(x) = Σ_w p_w(x) · r_w, where p(x) = softmax over w of logit_scale · cos(x, w).
        """
        logits = self.logit_scale * self.index.similarities(embeddings).astype(np.float64)
        expected = softmax(logits) @ self.ratings
        # An expectation lies within its values; what rounding adds is taken off again.
        return np.asarray(np.clip(expected, self.ratings.min(axis=0), self.ratings.max(axis=0)))


def _ratings(vocabulary: Vocabulary) -> NDArray[np.float64]:
    """Return the words' ratings [W, 2]; raises UsageError where a word has none."""
    pairs = [(label.valence, label.arousal) for label in vocabulary.labels]
    bare = [label.key for label, pair in zip(vocabulary.labels, pairs, strict=True) if None in pair]
    if bare:
        raise UsageError(f"Vocabulary '{vocabulary.name}' has no valence and arousal for '{bare[0]}': rate every word.")
    return np.array(pairs, dtype=np.float64)
