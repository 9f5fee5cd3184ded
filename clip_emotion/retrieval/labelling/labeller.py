"""Zero-shot labelling: images against any words, as ranked labels with calibrated probabilities."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.special import softmax
from torch import Tensor

from clip_emotion.arrays import FloatingArray
from clip_emotion.data.images import ImageSource
from clip_emotion.data.inputs import as_sources
from clip_emotion.errors import ModelError, UsageError
from clip_emotion.models.base import ImageTextEncoder, MessageEncoder
from clip_emotion.retrieval.labelling.index import VocabularyIndex
from clip_emotion.retrieval.labelling.stream import Region, StreamConfig, stream_batches
from clip_emotion.types import Prediction, ScoredLabel
from clip_emotion.vocabulary import LANGUAGES, Vocabulary

BROKEN = "The model gives no finite numbers for this picture."


class ZeroShotLabeller:
    """Ranks a vocabulary's words for images, or for texts.

    The words are encoded once, when the object is made. ``notices`` holds sentences that a person should read, such as
    that the encoder cannot read the words' language.
    """

    def __init__(
        self,
        encoder: ImageTextEncoder,
        vocabulary: Vocabulary,
        language: str = "auto",
        *,
        cache: Path | None = None,
    ) -> None:
        self.encoder = encoder
        self.vocabulary = vocabulary
        self.language = choose_language(encoder, vocabulary, language)
        self.notices = unread_words(encoder, vocabulary, self.language)
        self.index = VocabularyIndex.cached(encoder, vocabulary, self.language, cache)
        self._names = vocabulary.names(self.language)

    @classmethod
    def load(
        cls,
        model: str = "mini",
        vocabulary: str | Path | Sequence[str] | Vocabulary = "kote44",
        lang: str = "auto",
        device: str = "auto",
    ) -> ZeroShotLabeller:
        """Load an encoder and a vocabulary by name.

        ``vocabulary`` is a shipped name, a file, a comma list, or a sequence of words. Raises UsageError for unknown
        names and ModelError for weights that cannot be had.
        """
        from clip_emotion.models.registry import load_encoder

        return cls(load_encoder(model, device), as_vocabulary(vocabulary), lang)

    def __call__(
        self, images: object, top: int = 5, *, config: StreamConfig | None = None, face: str | None = None
    ) -> list[Prediction]:
        """Label one image or a sequence: paths, encoded bytes, Pillow images or arrays, in any mixture.

        Returns a row per image (per face with ``face='each'``), in order; a bad image's row holds its error.
        """
        config = config or StreamConfig()
        if face is not None:
            config = replace(config, faces=replace(config.faces, mode=face))
        return list(self.stream(as_sources(images), top, config))

    def stream(
        self, sources: Iterable[ImageSource], top: int = 5, config: StreamConfig | None = None
    ) -> Iterator[Prediction]:
        """Yield a row per image or face in input order, while workers prepare the images ahead."""
        _check_top(top)
        for batch in stream_batches(sources, self.encoder.preprocess, config):
            yield from self._label_batch(batch, top)

    def _label_batch(self, batch: list[Region], top: int) -> Iterator[Prediction]:
        pixels = [region.pixels for region in batch if region.pixels is not None]
        ranked = iter(self.predict_features(self.embed(torch.stack(pixels)), top) if pixels else ())
        for region in batch:
            yield self._prediction(region, next(ranked) if region.pixels is not None else ())

    def _prediction(self, region: Region, labels: tuple[ScoredLabel, ...]) -> Prediction:
        broken = region.pixels is not None and not labels
        return Prediction(
            region.name,
            labels,
            self.encoder.fingerprint,
            region.index,
            region.face.box if region.face else None,
            region.note,
            BROKEN if broken else region.error,
            region.face.confidence if region.face else None,
            "nothing" if broken else region.shown,
        )

    def embed(self, pixels: Tensor) -> NDArray[np.float32]:
        """Embed preprocessed images [N, 3, H, W] → [N, D]; raises ModelError when memory runs out."""
        try:
            return self.encoder.encode_images(pixels).numpy()
        except torch.cuda.OutOfMemoryError as error:
            raise ModelError(f"A batch of {len(pixels)} pictures is too large: use a smaller --batch-size.") from error

    def predict_features(
        self, embeddings: FloatingArray, top: int = 5, *, logit_scale: float | None = None
    ) -> list[tuple[ScoredLabel, ...]]:
        """Rank the labels for embeddings [N, D] of unit length; a row that is not finite gets no labels.

        The probability of label l is softmax over the whole vocabulary of logit_scale · cos(embedding, l).
        """
        _check_top(top)
        scale = self.encoder.logit_scale if logit_scale is None else logit_scale
        finite: NDArray[np.bool_] = np.all(np.isfinite(embeddings), axis=1)
        similarities, positions = self.index.search(np.where(finite[:, None], embeddings, 0))
        logits = scale * (similarities - similarities[:, :1]).astype(np.float64)
        probabilities = softmax(logits, axis=1)
        top = min(top, len(self.index))
        return [
            self._labels(*columns) if good else ()
            for good, *columns in zip(
                finite, positions[:, :top], probabilities[:, :top], similarities[:, :top], strict=True
            )
        ]

    def _labels(
        self, positions: NDArray[np.int64], probabilities: NDArray[np.float64], similarities: NDArray[np.float32]
    ) -> tuple[ScoredLabel, ...]:
        return tuple(
            ScoredLabel(self.vocabulary.labels[position].key, self._names[position], probability, similarity)
            for position, probability, similarity in zip(
                positions.tolist(), probabilities.tolist(), similarities.tolist(), strict=True
            )
        )

    def label_texts(self, texts: Sequence[str], top: int = 5) -> list[tuple[ScoredLabel, ...]]:
        """Rank the labels for texts instead of images, with the encoder's own temperature for text."""
        if not texts:
            return []
        embeddings = self.encoder.encode_texts(list(texts)).numpy()
        return self.predict_features(embeddings, top, logit_scale=self.encoder.text_logit_scale)

    def message_probabilities(self, texts: Sequence[str]) -> NDArray[np.float64]:
        """Return each chat message's probability of every label, [N, L] in the vocabulary's order; NaN if not finite.

        p_l = softmax over the labels of scale · cos(message, l), with the encoder's side and scale for messages where
        it has them, else those for texts.
        """
        if not texts:
            return np.empty((0, len(self.index)))
        embeddings, scale = self._read(list(texts))
        similarities = self.index.similarities(embeddings.numpy()).astype(np.float64)
        return np.asarray(softmax(scale * similarities, axis=1))

    def _read(self, messages: list[str]) -> tuple[Tensor, float]:
        if isinstance(self.encoder, MessageEncoder):
            return self.encoder.encode_messages(messages), self.encoder.message_logit_scale
        return self.encoder.encode_texts(messages), self.encoder.text_logit_scale


def as_vocabulary(words: str | Path | Sequence[str] | Vocabulary) -> Vocabulary:
    """Return the vocabulary that a name, a file, a comma list or a sequence of words stands for."""
    if isinstance(words, Vocabulary):
        return words
    return Vocabulary.load(words) if isinstance(words, (str, Path)) else Vocabulary.from_words(words)


def choose_language(encoder: ImageTextEncoder, vocabulary: Vocabulary, language: str = "auto") -> str:
    """Return the language whose names are used: with ``auto``, Korean where the encoder reads it and the words have it.

    Raises UsageError for an unknown language.
    """
    if language in LANGUAGES:
        return language
    if language != "auto":
        raise UsageError(f"Unknown language '{language}': choose one of auto, {', '.join(LANGUAGES)}.")
    all_korean = all("ko" in label.names or "en" not in label.names for label in vocabulary.labels)
    return "ko" if "ko" in encoder.languages and all_korean else "en"


def unread_words(encoder: ImageTextEncoder, vocabulary: Vocabulary, language: str) -> tuple[str, ...]:
    """Return a warning sentence when the encoder does not read the language of some of the words, else nothing."""
    unread = [
        label.name(language)
        for label in vocabulary.labels
        if (language if language in label.names else next(iter(label.names))) not in encoder.languages
    ]
    if not unread:
        return ()
    few = ", ".join(unread[:3]) + (" …" if len(unread) > 3 else "")
    return (
        f"Model {encoder.name} reads {' and '.join(encoder.languages)} only; its answers for {few} mean little: "
        "use --model mini, a multilingual model, or words that it reads.",
    )


def _check_top(top: int) -> None:
    if top < 1:
        raise UsageError(f"top must be at least 1, not {top}.")
