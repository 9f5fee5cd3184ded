"""A vocabulary's words in the encoder's space: encoded once, searched by inner product."""

from __future__ import annotations

import hashlib
import json
import logging
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import faiss
import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save as to_safetensors

from clip_emotion.arrays import FloatingArray
from clip_emotion.errors import ModelError, UsageError
from clip_emotion.files import write_atomic
from clip_emotion.models.base import ImageTextEncoder
from clip_emotion.models.label_embeddings import label_embeddings
from clip_emotion.vocabulary import Vocabulary

FORMAT = "clip-emotion vocabulary index 1"
logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class IndexCard:
    """What an index was made of: it fits only the encoder with this fingerprint and these very prompts."""

    fingerprint: str
    vocabulary: str
    language: str
    keys: tuple[str, ...]
    prompts: str
    """SHA-256 of the keys and of every prompt."""

    @classmethod
    def of(cls, encoder: ImageTextEncoder, vocabulary: Vocabulary, language: str) -> IndexCard:
        """Describe the index of a vocabulary in a language under an encoder, without encoding anything."""
        digest = prompts_digest(vocabulary, language)
        return cls(encoder.fingerprint, vocabulary.name, language, vocabulary.keys, digest)


def prompts_digest(vocabulary: Vocabulary, language: str) -> str:
    """Return the SHA-256 of a vocabulary's keys and prompts in a language."""
    content = json.dumps([vocabulary.keys, vocabulary.prompts(language)], ensure_ascii=False)
    return hashlib.sha256(content.encode("utf-8", "surrogatepass")).hexdigest()


class VocabularyIndex:
    """The embeddings of a vocabulary's labels in a FAISS inner-product index, so cosine similarity ranks them."""

    def __init__(self, embeddings: NDArray[np.float32], card: IndexCard) -> None:
        if embeddings.ndim != 2 or len(embeddings) != len(card.keys):
            raise UsageError(f"An index of {len(card.keys)} labels needs as many embeddings, not {embeddings.shape}.")
        self.card = card
        self.embeddings = np.ascontiguousarray(embeddings, dtype=np.float32)
        self._faiss = faiss.IndexFlatIP(self.embeddings.shape[1])
        self._faiss.add(self.embeddings)

    def __len__(self) -> int:
        return len(self.card.keys)

    @classmethod
    def build(cls, encoder: ImageTextEncoder, vocabulary: Vocabulary, language: str) -> VocabularyIndex:
        """Encode every prompt of every label in one call and average each label's prompts.

        Raises ModelError where an embedding is not finite.
        """
        embeddings = label_embeddings(encoder, vocabulary, language)
        if not np.isfinite(embeddings).all():
            raise ModelError(f"Model {encoder.name} gives no finite embedding for some words: its weights are damaged.")
        return cls(embeddings, IndexCard.of(encoder, vocabulary, language))

    def search(self, embeddings: FloatingArray, k: int | None = None) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
        """Return the ``k`` most similar labels of each row, best first: similarities [N, k] and positions [N, k].

        ``embeddings`` [N, D] are of unit length. Without ``k``, all labels are ranked.
        """
        return self._faiss.search(self._rows(embeddings), min(k or len(self), len(self)))

    def similarities(self, embeddings: FloatingArray) -> NDArray[np.float32]:
        """Return the cosine similarity of each row with each label, [N, L] in the vocabulary's order.

        ``embeddings`` [N, D] are of unit length.
        """
        cosines: NDArray[np.float32] = self._rows(embeddings) @ self.embeddings.T
        return cosines

    def _rows(self, embeddings: FloatingArray) -> NDArray[np.float32]:
        rows = np.ascontiguousarray(embeddings, dtype=np.float32)
        if rows.ndim != 2 or rows.shape[1] != self.embeddings.shape[1]:
            raise UsageError(f"The index takes rows of {self.embeddings.shape[1]} numbers, not {rows.shape}.")
        return rows

    def save(self, path: Path) -> None:
        """Write the index as one safetensors file, whole or not at all."""
        metadata = {"format": FORMAT, "card": json.dumps(asdict(self.card), ensure_ascii=False)}
        write_atomic(path, to_safetensors({"embeddings": self.embeddings}, metadata))

    @classmethod
    def load(cls, path: Path, encoder: ImageTextEncoder) -> VocabularyIndex:
        """Read a saved index; nothing in the file is executed.

        Raises ModelError when the file is missing or damaged, UsageError when another encoder made it.
        """
        try:
            with safe_open(path, framework="numpy") as file:
                metadata: dict[str, Any] = file.metadata() or {}
                embeddings = file.get_tensor("embeddings")
            card = _read_card(metadata)
        except (OSError, SafetensorError, ValueError, KeyError, TypeError) as error:
            raise ModelError(f"{path} is no vocabulary index, or a damaged one: delete it.") from error
        if card.fingerprint != encoder.fingerprint:
            raise UsageError(
                f"{path} was made by another encoder ({card.fingerprint[:12]}, not {encoder.fingerprint[:12]}): "
                f"build the index of '{card.vocabulary}' again for {encoder.name}."
            )
        return cls(embeddings, card)

    @classmethod
    def cached(
        cls, encoder: ImageTextEncoder, vocabulary: Vocabulary, language: str, folder: Path | None
    ) -> VocabularyIndex:
        """Load the index from a cache folder, or build it and leave it there; without a folder, simply build it."""
        if folder is None:
            return cls.build(encoder, vocabulary, language)
        wanted = IndexCard.of(encoder, vocabulary, language)
        key = hashlib.sha256(f"{wanted.fingerprint} {wanted.prompts}".encode()).hexdigest()[:32]
        path = folder / f"{key}.safetensors"
        if path.is_file():
            try:
                return cls(cls.load(path, encoder).embeddings, wanted)
            except (ModelError, UsageError) as error:
                logger.info("Building the vocabulary index anew: %s", error)
        index = cls.build(encoder, vocabulary, language)
        try:
            index.save(path)
        except OSError as error:
            # A read-only home costs the next run a few milliseconds, this one nothing.
            logger.info("The vocabulary index is not kept: %s", error)
        return index


def _read_card(metadata: dict[str, Any]) -> IndexCard:
    if metadata["format"] != FORMAT:
        raise ValueError(metadata["format"])
    values = json.loads(metadata["card"])
    return IndexCard(**{**values, "keys": tuple(values["keys"])})
