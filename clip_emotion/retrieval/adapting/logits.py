"""The logits of faces: zero-shot, changed by an adapter and by the correction of priors where there are any."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.special import softmax

from clip_emotion.arrays import FloatArray, FloatingArray
from clip_emotion.evaluation.priors import prior_shift
from clip_emotion.models.base import ImageTextEncoder
from clip_emotion.retrieval.adapting.adapter import Adapter
from clip_emotion.retrieval.labelling.index import VocabularyIndex


@dataclass(frozen=True)
class FaceLogits:
    """What makes the logits of faces under a vocabulary: ``scale · cos``, the adapter's, and a ``shift`` a word."""

    index: VocabularyIndex
    scale: float
    adapter: Adapter | None = None
    shift: FloatArray | None = None
    prior: str = ""
    """The method that found ``shift``."""

    @classmethod
    def of(cls, encoder: ImageTextEncoder, index: VocabularyIndex, adapter: Adapter | None = None) -> FaceLogits:
        """Make the logits of an encoder's faces; raises UsageError where the adapter was made for another encoder."""
        if adapter is not None:
            adapter.check(encoder)
        return cls(index, encoder.logit_scale, adapter)

    @property
    def plain(self) -> bool:
        """Whether nothing changes the zero-shot logits, and so similarity alone ranks."""
        return self.adapter is None and self.shift is None

    def __call__(self, embeddings: FloatingArray) -> FloatArray:
        """Return the logits [N, L] of embeddings [N, D] of unit length, in the vocabulary's order."""
        return self._changed(embeddings, self.index.similarities(embeddings))

    def ranked(self, embeddings: FloatingArray) -> tuple[NDArray[np.int64], NDArray[np.float32], NDArray[np.float64]]:
        """Return all words, best first: positions, cosines and probabilities, each [N, L]."""
        similarities = self.index.similarities(embeddings)
        logits = self._changed(embeddings, similarities)
        positions = np.argsort(-logits, axis=1, kind="stable")
        probabilities = softmax(np.take_along_axis(logits, positions, axis=1), axis=1)
        return positions, np.take_along_axis(similarities, positions, axis=1), probabilities

    def corrected(self, embeddings: FloatingArray, method: str | None) -> FaceLogits:
        """Return the same with the shares of words corrected by a collection's embeddings [N, D]; None changes nothing.

        ``method`` is one of ``CORRECTIONS``; raises UsageError for another.
        """
        return self if method is None else self.shifted(method, self(embeddings))

    def shifted(self, method: str, logits: FloatingArray) -> FaceLogits:
        """Return the same with the shares of words corrected by a collection's logits [N, L]."""
        return replace(self, shift=prior_shift(method, logits), prior=method)

    def settings(self) -> dict[str, str]:
        """Return what rows say of the changes; empty where there are none."""
        adapter = {} if self.adapter is None else {"adapter": self.adapter.digest[:12]}
        return adapter | ({"prior": self.prior} if self.prior else {})

    def _changed(self, embeddings: FloatingArray, similarities: FloatingArray) -> FloatArray:
        logits: FloatArray = self.scale * np.asarray(similarities, dtype=np.float64)
        if self.adapter is not None:
            logits = self.adapter.logits(embeddings, logits)
        return logits if self.shift is None else logits + self.shift
