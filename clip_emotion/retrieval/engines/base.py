"""The contract of what brings pictures through an encoder, for rows or for a store."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

from clip_emotion.data.images import ImageSource
from clip_emotion.retrieval.labelling.labeller import ZeroShotLabeller
from clip_emotion.retrieval.store.embedding import EmbedCounts
from clip_emotion.retrieval.store.embedding_store import EmbeddingStore
from clip_emotion.types import Prediction


@dataclass(frozen=True)
class Filling:
    """One run that fills a store; ``advance`` is told the number of pictures done.

    With ``retry`` files that failed before are tried again.
    """

    store: EmbeddingStore
    retry: bool = False
    advance: Callable[[int], object] = lambda steps: None


class Engine(Protocol):
    """Brings pictures through an encoder; every engine gives the same rows, in the order of the pictures."""

    def label(self, sources: Sequence[ImageSource], labeller: ZeroShotLabeller, top: int) -> Iterator[Prediction]:
        """Yield a row per image or face."""
        ...

    def embed(self, sources: Iterable[ImageSource], filling: Filling) -> EmbedCounts:
        """Bring files into a store, and return what became of them."""
        ...
