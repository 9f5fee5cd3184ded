"""Cosines of embeddings, and the two transforms that undo their crowding: centring and whitening."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np

from clip_emotion.arrays import FloatArray, FloatingArray
from clip_emotion.errors import UsageError

NOTHING = 1e-6
"""A vector shorter than this is what single precision leaves of zero: it points nowhere, and is similar to nothing."""
RANK_TOLERANCE = 1e-10


class Transform(Protocol):
    """A map of embeddings that was fitted on a corpus."""

    def __call__(self, vectors: FloatingArray) -> FloatArray:
        """Map unit vectors [N, D] → [N, K], not of length 1 any more; take their ``cosines`` or make them ``unit``."""
        ...


@dataclass(frozen=True)
class Centring:
    """Subtracts a corpus's mean, the largest part of what crowds contextual embeddings: x̃ = x - μ.

    Mu and Viswanath 2018, "All-but-the-Top: Simple and Effective Postprocessing for Word Representations", 1702.01417.
    ``mean`` is [D].
    """

    mean: FloatArray

    @classmethod
    def fit(cls, vectors: FloatingArray) -> Centring:
        """Fit on at least one unit vector, [N, D]."""
        return cls(_corpus(vectors).mean(axis=0))

    def __call__(self, vectors: FloatingArray) -> FloatArray:
        """Map [N, D] → [N, D]."""
        return centre(vectors, self.mean)


@dataclass(frozen=True)
class Whitening:
    """Gives a corpus mean zero and covariance one: x̃ = (x - μ) W.

    With the covariance Σ = U Λ Uᵀ, eigenvalues falling, W = U Λ^(-1/2), of which the first k columns may be kept:
    Su et al. 2021, "Whitening Sentence Representations for Better Semantics and Faster Retrieval", 2103.15316.
    ``mean`` is [D], ``kernel`` [D, K].
    """

    mean: FloatArray
    kernel: FloatArray

    @classmethod
    def fit(cls, vectors: FloatingArray, dimensions: int | None = None, eps: float = RANK_TOLERANCE) -> Whitening:
        """Fit on at least one unit vector, [N, D], keeping ``dimensions`` directions at most.

        A direction in which the corpus does not vary, its variance at most ``eps`` times the vectors' mean square
        length, would be blown up without end, and is left out: K is at most N - 1 and may be 0.
        """
        corpus = _corpus(vectors)
        mean = corpus.mean(axis=0)
        centred = corpus - mean
        covariance = centred.T @ centred / max(len(corpus) - 1, 1)
        variances, directions = np.linalg.eigh(covariance)
        variances, directions = variances[::-1], directions[:, ::-1]
        kept = int((variances > eps * np.mean(np.sum(corpus**2, axis=1))).sum())
        kept = min(kept, dimensions or kept)
        return cls(mean, directions[:, :kept] / np.sqrt(variances[:kept]))

    def __call__(self, vectors: FloatingArray) -> FloatArray:
        """Map [N, D] → [N, K]."""
        return whiten(vectors, self.mean, self.kernel)


def centre(vectors: FloatingArray, mean: FloatingArray) -> FloatArray:
    """Return x - μ for each vector of [N, D]."""
    return np.asarray(np.asarray(vectors, dtype=np.float64) - mean)


def whiten(vectors: FloatingArray, mean: FloatingArray, kernel: FloatingArray) -> FloatArray:
    """Return (x - μ) W for each vector: [N, D] and a kernel [D, K] → [N, K]."""
    return np.asarray(centre(vectors, mean) @ kernel)


def unit(vectors: FloatingArray) -> FloatArray:
    """Return vectors [N, D] at length 1; one that points nowhere becomes zero."""
    exact = np.asarray(vectors, dtype=np.float64)
    lengths = np.linalg.norm(exact, axis=1, keepdims=True)
    pointing: FloatArray = np.divide(exact, lengths, out=np.zeros_like(exact), where=lengths > NOTHING)
    return pointing


def cosines(first: FloatingArray, second: FloatingArray) -> FloatArray:
    """Return the cosine similarities of N pairs, [N, D] and [N, D] → [N]; 0 where one of the two points nowhere."""
    return np.asarray(np.einsum("nd,nd->n", unit(first), unit(second)))


def _corpus(vectors: FloatingArray) -> FloatArray:
    corpus = np.asarray(vectors, dtype=np.float64)
    if corpus.ndim != 2 or not len(corpus):
        raise UsageError(f"Centring and whitening are fitted on vectors [N, D] with N ≥ 1, not on {corpus.shape}.")
    return corpus
