"""How alike two texts are: embedders, and the two transforms that undo the crowding of their cosines."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from numpy.typing import NDArray

from clip_emotion.errors import MissingExtraError, ModelError, UsageError

if TYPE_CHECKING:
    import torch

    from clip_emotion.models.base import ImageTextEncoder
    from clip_emotion.models.kobert.loading import Kobert

Vectors = NDArray[np.float32]
FloatArray = NDArray[np.float64]
NOTHING = 1e-6
"""A vector shorter than this is what single precision leaves of zero: it points nowhere, and is similar to nothing."""
RANK_TOLERANCE = 1e-10


class TextEmbedder(Protocol):
    """Puts texts into a space where the inner product is the cosine similarity."""

    name: str

    def embed(self, texts: Sequence[str]) -> Vectors:
        """Embed N texts: float32 [N, D], raw (neither centred nor whitened), each of length 1."""
        ...


class Transform(Protocol):
    """A map of embeddings that was fitted on a corpus."""

    def __call__(self, vectors: NDArray[Any]) -> FloatArray:
        """Map unit vectors [N, D] → [N, K], not of length 1 any more; take their ``cosines`` or make them ``unit``."""
        ...


def load_embedder(name: str, device: str = "auto") -> TextEmbedder:
    """Load an embedder: ``mini``, ``mini:FOLDER``, ``kobert``, ``kobert:FOLDER`` or ``sentence-transformers:NAME``.

    Raises UsageError for an unknown name, MissingExtraError where its package is not installed, and ModelError where
    its weights are missing, damaged or out of reach.
    """
    from clip_emotion.runtime import resolve_device

    known, where = embedder_loader(name)
    return known.load(where, resolve_device(device))


def embedder_loader(name: str) -> tuple[Loader, str]:
    """Return how an embedder of this name is loaded, and from where; raises UsageError for an unknown name."""
    kind, colon, where = name.partition(":")
    known = EMBEDDERS.get(kind)
    if known is None or (colon and not where) or (known.needs_place and not where):
        spellings = ", ".join(spelling for loader in EMBEDDERS.values() for spelling in loader.spellings)
        raise UsageError(f"Unknown embedder '{name}': choose one of {spellings}.")
    return known, where


@dataclass
class EncoderEmbedder:
    """The text side of an image–text encoder as an embedder."""

    name: str
    encoder: ImageTextEncoder

    def embed(self, texts: Sequence[str]) -> Vectors:
        """Embed N texts: float32 [N, D], each of length 1."""
        return np.asarray(self.encoder.encode_texts(list(texts)).numpy(), dtype=np.float32)


@dataclass
class KobertEmbedder:
    """KoBERT as an embedder: the mean over tokens of its first and last layers, as ``Kobert.encode`` defines it."""

    name: str
    kobert: Kobert

    def embed(self, texts: Sequence[str]) -> Vectors:
        """Embed N texts: float32 [N, D], each of length 1."""
        return unit(self.kobert.encode(texts).numpy()).astype(np.float32)


@dataclass
class SentenceTransformerEmbedder:
    """Any model of the sentence-transformers library as an embedder, pooled as its own configuration says."""

    name: str
    model: Any

    def embed(self, texts: Sequence[str]) -> Vectors:
        """Embed N texts: float32 [N, D], each of length 1."""
        if not texts:
            return np.zeros((0, int(self.model.get_sentence_embedding_dimension())), dtype=np.float32)
        vectors = self.model.encode(list(texts), convert_to_numpy=True, show_progress_bar=False)
        return unit(np.asarray(vectors)).astype(np.float32)


def _load_mini(folder: str, device: torch.device) -> TextEmbedder:
    from clip_emotion.models.mini.encoder import load_mini
    from clip_emotion.resources import weights_dir

    place = Path(folder).expanduser() if folder else weights_dir() / "mini"
    return EncoderEmbedder(f"mini:{folder}" if folder else "mini", load_mini(place, device))


def _load_kobert(folder: str, device: torch.device) -> TextEmbedder:
    from clip_emotion.models.kobert.loading import HUB_NAME, load_kobert

    return KobertEmbedder(f"kobert:{folder}" if folder else "kobert", load_kobert(folder or HUB_NAME, device))


def _load_sentence_transformer(model: str, device: torch.device) -> TextEmbedder:
    from clip_emotion.models.hub import knock
    from clip_emotion.models.quiet import quietly

    name = f"sentence-transformers:{model}"
    try:
        with quietly():
            from sentence_transformers import SentenceTransformer
    except ModuleNotFoundError as error:
        raise MissingExtraError(f"Embedder {name}", "sentence-transformers", "sentence-transformers") from error

    def load(*, from_disk: bool) -> TextEmbedder:
        built = SentenceTransformer(model, device=str(device), local_files_only=from_disk)
        return SentenceTransformerEmbedder(name, built)

    try:
        with quietly():
            try:
                return load(from_disk=True)
            except (OSError, ValueError):
                knock()
                return load(from_disk=False)
    except (OSError, RuntimeError, ValueError, KeyError, TypeError) as error:
        raise ModelError(
            f"Embedder {name} is neither a folder nor in the cache, or is damaged, and the Hub does not give it: "
            "check its name, and go online once to fetch it."
        ) from error


@dataclass(frozen=True)
class Loader:
    """How an embedder is spelt and loaded; one that ``needs_place`` must be followed by a colon and its place."""

    load: Callable[[str, torch.device], TextEmbedder]
    spellings: tuple[str, ...]
    needs_place: bool = False


EMBEDDERS: dict[str, Loader] = {
    "mini": Loader(_load_mini, ("mini", "mini:FOLDER")),
    "kobert": Loader(_load_kobert, ("kobert", "kobert:FOLDER")),
    "sentence-transformers": Loader(_load_sentence_transformer, ("sentence-transformers:NAME",), needs_place=True),
}


@dataclass(frozen=True)
class Centring:
    """Subtracts a corpus's mean, the largest part of what crowds contextual embeddings: x̃ = x - μ.

    Mu and Viswanath 2018, "All-but-the-Top: Simple and Effective Postprocessing for Word Representations", 1702.01417.
    ``mean`` is [D].
    """

    mean: FloatArray

    @classmethod
    def fit(cls, vectors: NDArray[Any]) -> Centring:
        """Fit on at least one unit vector, [N, D]."""
        return cls(_corpus(vectors).mean(axis=0))

    def __call__(self, vectors: NDArray[Any]) -> FloatArray:
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
    def fit(cls, vectors: NDArray[Any], dimensions: int | None = None, eps: float = RANK_TOLERANCE) -> Whitening:
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

    def __call__(self, vectors: NDArray[Any]) -> FloatArray:
        """Map [N, D] → [N, K]."""
        return whiten(vectors, self.mean, self.kernel)


def centre(vectors: NDArray[Any], mean: NDArray[Any]) -> FloatArray:
    """Return x - μ for each vector of [N, D]."""
    return np.asarray(np.asarray(vectors, dtype=np.float64) - mean)


def whiten(vectors: NDArray[Any], mean: NDArray[Any], kernel: NDArray[Any]) -> FloatArray:
    """Return (x - μ) W for each vector: [N, D] and a kernel [D, K] → [N, K]."""
    return np.asarray(centre(vectors, mean) @ kernel)


def unit(vectors: NDArray[Any]) -> FloatArray:
    """Return vectors [N, D] at length 1; one that points nowhere becomes zero."""
    exact = np.asarray(vectors, dtype=np.float64)
    lengths = np.linalg.norm(exact, axis=1, keepdims=True)
    pointing: FloatArray = np.divide(exact, lengths, out=np.zeros_like(exact), where=lengths > NOTHING)
    return pointing


def cosines(first: NDArray[Any], second: NDArray[Any]) -> FloatArray:
    """Return the cosine similarities of N pairs, [N, D] and [N, D] → [N]; 0 where one of the two points nowhere."""
    return np.asarray(np.einsum("nd,nd->n", unit(first), unit(second)))


def _corpus(vectors: NDArray[Any]) -> FloatArray:
    corpus = np.asarray(vectors, dtype=np.float64)
    if corpus.ndim != 2 or not len(corpus):
        raise UsageError(f"Centring and whitening are fitted on vectors [N, D] with N ≥ 1, not on {corpus.shape}.")
    return corpus
