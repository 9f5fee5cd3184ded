"""Texts in a space where the inner product is their likeness: embedders, loaded by name."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from clip_emotion.arrays import Float32Array
from clip_emotion.errors import MissingExtraError, ModelError, UsageError
from clip_emotion.files import expanded
from scoring.whitening import unit

if TYPE_CHECKING:
    import torch

    from clip_emotion.models.base import ImageTextEncoder
    from clip_emotion.models.kobert.loading import Kobert


class TextEmbedder(Protocol):
    """Puts texts into a space where the inner product is the cosine similarity."""

    name: str

    def embed(self, texts: Sequence[str]) -> Float32Array:
        """Embed N texts: float32 [N, D], raw (neither centred nor whitened), each of length 1."""
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

    def embed(self, texts: Sequence[str]) -> Float32Array:
        """Embed N texts: float32 [N, D], each of length 1."""
        return np.asarray(self.encoder.encode_texts(list(texts)), dtype=np.float32)


@dataclass
class KobertEmbedder:
    """KoBERT as an embedder: the mean over tokens of its first and last layers, as ``Kobert.encode`` defines it."""

    name: str
    kobert: Kobert

    def embed(self, texts: Sequence[str]) -> Float32Array:
        """Embed N texts: float32 [N, D], each of length 1."""
        return unit(self.kobert.encode(texts).numpy()).astype(np.float32)


@dataclass
class SentenceTransformerEmbedder:
    """Any model of the sentence-transformers library as an embedder, pooled as its own configuration says."""

    name: str
    model: Any

    def embed(self, texts: Sequence[str]) -> Float32Array:
        """Embed N texts: float32 [N, D], each of length 1."""
        if not texts:
            return np.zeros((0, int(self.model.get_sentence_embedding_dimension())), dtype=np.float32)
        vectors = self.model.encode(list(texts), convert_to_numpy=True, show_progress_bar=False)
        return unit(np.asarray(vectors)).astype(np.float32)


def _load_mini(folder: str, device: torch.device) -> TextEmbedder:
    from clip_emotion.models.mini.encoder import load_mini
    from clip_emotion.resources import weights_dir

    place = expanded(folder) if folder else weights_dir() / "mini"
    return EncoderEmbedder(f"mini:{folder}" if folder else "mini", load_mini(place, device))


def _load_kobert(folder: str, device: torch.device) -> TextEmbedder:
    from clip_emotion.models.kobert.config import HUB_NAME
    from clip_emotion.models.kobert.loading import load_kobert

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
