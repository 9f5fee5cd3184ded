"""The engine of one process: threads read, and the encoder embeds."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from clip_emotion.data.images import ImageSource
from clip_emotion.models.base import ImageTextEncoder
from clip_emotion.retrieval.engines.base import Filling
from clip_emotion.retrieval.labelling.labeller import ZeroShotLabeller
from clip_emotion.retrieval.labelling.stream import StreamConfig
from clip_emotion.retrieval.store.embedding import EmbedCounts, Embedding
from clip_emotion.types import Prediction


@dataclass(frozen=True)
class LocalEngine:
    """Runs in this process."""

    encoder: ImageTextEncoder
    config: StreamConfig

    def label(self, sources: Sequence[ImageSource], labeller: ZeroShotLabeller, top: int) -> Iterator[Prediction]:
        """Yield a row per image or face, in the order of the pictures."""
        return labeller.stream(sources, top, self.config)

    def embed(self, sources: Iterable[ImageSource], filling: Filling) -> EmbedCounts:
        """Bring files into a store, and return what became of them."""
        return Embedding(filling.store, self.encoder, self.config, filling.retry, filling.advance).run(sources)
