"""``Adapter``: what examples taught about a vocabulary's words in one encoder's space, and a temperature."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from clip_emotion.arrays import FloatArray, FloatingArray
from clip_emotion.errors import UsageError
from clip_emotion.models.base import ImageTextEncoder
from clip_emotion.vocabulary import Vocabulary

BLOCK = 1 << 22
"""Affinities that are held at once."""


@dataclass(frozen=True)
class CacheModel:
    """A key [D] an example and the place of its word: ``keys`` [M, D], ``words`` [M], with ``alpha`` and ``beta``."""

    keys: NDArray[np.float32]
    words: NDArray[np.int64]
    alpha: float
    beta: float

    def logits(self, embeddings: FloatingArray, words: int) -> FloatArray:
        """Return ``alpha · Σ exp(-beta · (1 - cos(x, key)))`` over each word's keys, [N, L], for so many words.

        Zhang et al., "Tip-Adapter: Training-free adaption of CLIP for few-shot classification" (2022), equation 6.
        """
        values = np.zeros((len(self.keys), words), dtype=np.float32)
        values[np.arange(len(self.keys)), self.words] = 1
        found = np.empty((len(embeddings), words))
        step = max(1, BLOCK // max(1, len(self.keys)))
        for start in range(0, len(embeddings), step):
            rows = np.asarray(embeddings[start : start + step], dtype=np.float32)
            found[start : start + step] = np.exp(-self.beta * (1 - rows @ self.keys.T)) @ values
        return self.alpha * found


@dataclass(frozen=True)
class Adapter:
    """What ``adapt`` and ``calibrate`` make: a vocabulary's logits, changed by a cache model and a temperature.

    The logits of rows x are ``(scale · cos(x, words) + cache(x)) / temperature``; without a cache the words rank as
    they did. It fits the encoder with this fingerprint alone. ``examples`` counts each word's.
    """

    vocabulary: Vocabulary
    language: str
    encoder: str
    fingerprint: str
    temperature: float = 1.0
    cache: CacheModel | None = None
    examples: Mapping[str, int] = field(default_factory=dict)

    @property
    def digest(self) -> str:
        """A hash of all that changes logits, by which rows of one adapter are known from another's."""
        cache = self.cache
        numbers = (self.temperature, *(() if cache is None else (cache.alpha, cache.beta)))
        content = "".join(float(number).hex() for number in numbers).encode()
        if cache is not None:
            content += cache.keys.tobytes() + cache.words.tobytes()
        return hashlib.sha256(content).hexdigest()

    def check(self, encoder: ImageTextEncoder) -> None:
        """Raise UsageError where this was made for another encoder."""
        if encoder.fingerprint != self.fingerprint:
            raise UsageError(
                f"The adapter was made for {self.encoder} ({self.fingerprint[:17]}), not for {encoder.name} "
                f"({encoder.fingerprint[:17]}): use that model, or make the adapter again with this one."
            )

    def logits(self, embeddings: FloatingArray, zero_shot: FloatingArray) -> FloatArray:
        """Return the logits [N, L] for embeddings [N, D] whose zero-shot logits are [N, L]."""
        logits = np.asarray(zero_shot, dtype=np.float64)
        if self.cache is not None:
            logits = logits + self.cache.logits(embeddings, len(self.vocabulary))
        return logits / self.temperature
