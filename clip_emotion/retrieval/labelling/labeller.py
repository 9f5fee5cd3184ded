"""Zero-shot labelling: images against any words, as ranked labels with calibrated probabilities."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from clip_emotion.arrays import FloatingArray
from clip_emotion.data.images import ImageSource
from clip_emotion.data.inputs import as_sources
from clip_emotion.errors import UsageError
from clip_emotion.models.base import ImageTextEncoder, text_reader
from clip_emotion.models.embedding import embed_pixels
from clip_emotion.retrieval.adapting.adapter import Adapter
from clip_emotion.retrieval.adapting.logits import FaceLogits
from clip_emotion.retrieval.labelling.dimensions import RatedWords
from clip_emotion.retrieval.labelling.index import VocabularyIndex
from clip_emotion.retrieval.labelling.languages import choose_language
from clip_emotion.retrieval.labelling.notices import word_notices
from clip_emotion.retrieval.labelling.predictions import Predictions
from clip_emotion.retrieval.labelling.softmax import softmax
from clip_emotion.retrieval.labelling.stream import Region, StreamConfig, stream_batches
from clip_emotion.types import Dimensions, FaceRegion, Prediction, ScoredLabel
from clip_emotion.vocabulary import Vocabulary

BROKEN = "The model gives no finite numbers for this picture."


@dataclass(frozen=True)
class RankedFeatures:
    """Labels ranked for N rows, the best k first: positions [N, k], probabilities [N, k], cosines [N, k].

    ``finite`` [N] is false for rows whose embeddings are not, and which get no labels. ``dimensions`` [N, 2] are
    valence and arousal, where they were asked for.
    """

    positions: NDArray[np.int64]
    probabilities: NDArray[np.float64]
    similarities: NDArray[np.float32]
    finite: NDArray[np.bool_]
    dimensions: NDArray[np.float64] | None = None

    def placed(self) -> list[Dimensions | None]:
        """Return each row's valence and arousal; None for a row that is not finite, or where not asked for."""
        if self.dimensions is None:
            return [None] * len(self.finite)
        rows = zip(self.finite.tolist(), self.dimensions.tolist(), strict=True)
        return [Dimensions(*place) if good else None for good, place in rows]


@dataclass(frozen=True, slots=True)
class EmbeddedRegion:
    """A part of a picture as a row speaks of it, and its vector [D], or None where it has no pixels or an ``error``."""

    name: str
    face: FaceRegion
    vector: NDArray[np.float32] | None
    error: str | None = None


class ZeroShotLabeller:
    """Ranks a vocabulary's words for images, or for texts.

    The words are encoded once, when the object is made. ``notices`` holds sentences that a person should read, such as
    that the encoder cannot read the words' language. With ``rated`` words, encoded once beside them, every row also has
    valence and arousal. ``faces`` makes a face's logits; an adapter and a correction of priors in it change how faces
    are ranked, never texts.
    """

    def __init__(
        self,
        encoder: ImageTextEncoder,
        vocabulary: Vocabulary,
        language: str = "auto",
        *,
        cache: Path | None = None,
        rated: RatedWords | None = None,
        adapter: Adapter | None = None,
    ) -> None:
        self.encoder = encoder
        self.vocabulary = vocabulary
        self.language = choose_language(encoder, vocabulary, language)
        self.notices = word_notices(encoder, vocabulary, self.language)
        self.index = VocabularyIndex.cached(encoder, vocabulary, self.language, cache)
        self.rated = rated
        self.faces = FaceLogits.of(encoder, self.index, adapter)
        self._names = vocabulary.names(self.language)

    @classmethod
    def adapted(
        cls,
        encoder: ImageTextEncoder,
        adapter: Adapter,
        language: str = "auto",
        *,
        cache: Path | None = None,
        rated: RatedWords | None = None,
    ) -> ZeroShotLabeller:
        """Make a labeller of an adapter's words; raises UsageError where it was made for another encoder."""
        language = adapter.language if language == "auto" else language
        return cls(encoder, adapter.vocabulary, language, cache=cache, rated=rated, adapter=adapter)

    @classmethod
    def load(
        cls,
        model: str = "mini",
        vocabulary: str | Path | Sequence[str] | Vocabulary = "kote44",
        lang: str = "auto",
        device: str = "auto",
        dimensions: bool = False,
    ) -> ZeroShotLabeller:
        """Load an encoder and a vocabulary by name.

        ``vocabulary`` is a shipped name, a file, a comma list, or a sequence of words; with ``dimensions`` rows have
        valence and arousal too. Raises UsageError for unknown names and ModelError for weights that cannot be had.
        """
        from clip_emotion.models.registry import load_encoder

        encoder = load_encoder(model, device)
        return cls(encoder, as_vocabulary(vocabulary), lang, rated=RatedWords(encoder) if dimensions else None)

    def __call__(
        self, images: object, top: int = 5, *, config: StreamConfig | None = None, face: str | None = None
    ) -> Predictions:
        """Label one image or a sequence: paths, encoded bytes, Pillow images or arrays, in any mixture.

        Returns a list of rows, one an image (a face with ``face='each'``), in order; a bad image's row holds its error.
        """
        config = config or StreamConfig()
        if face is not None:
            config = replace(config, faces=replace(config.faces, mode=face))
        return Predictions(self.stream(as_sources(images), top, config))

    def __repr__(self) -> str:
        words = ", ".join(self._names[:3]) + (" …" if len(self._names) > 3 else "")
        return (
            f"ZeroShotLabeller({self.encoder.name}, {self.vocabulary.name}: {len(self._names)} words in "
            f"{self.language}: {words})"
        )

    def stream(
        self, images: Iterable[object], top: int = 5, config: StreamConfig | None = None
    ) -> Iterator[Prediction]:
        """Yield a row per image or face in input order, while workers prepare the images ahead.

        ``images`` may be of any length, and holds whatever calling the labeller takes.
        """
        _check_top(top)
        sources = (source for image in _several(images) for source in _sources(image))
        for batch in stream_batches(sources, self.encoder.preprocess, config):
            yield from self._label_batch(batch, top)

    def _label_batch(self, batch: list[Region], top: int) -> Iterator[Prediction]:
        return self.label_regions(embed_regions(self.encoder, batch), top)

    def label_regions(self, regions: Sequence[EmbeddedRegion], top: int) -> Iterator[Prediction]:
        """Yield the row of each embedded part of a picture."""
        vectors = [region.vector for region in regions if region.vector is not None]
        rows: Iterator[tuple[tuple[ScoredLabel, ...], Dimensions | None]] = iter(())
        if vectors:
            ranked = self.rank_features(np.stack(vectors), top)
            rows = zip(self.labels_of(ranked), ranked.placed(), strict=True)
        for region in regions:
            labels, place = next(rows) if region.vector is not None else ((), None)
            error = BROKEN if region.vector is not None and not labels else region.error
            yield Prediction(region.name, labels, self.encoder.fingerprint, region.face, error, place)

    def embed(self, pixels: Sequence[Any]) -> NDArray[np.float32]:
        """Embed N preprocessed images [3, H, W] → [N, D]; raises ModelError when memory runs out."""
        return embed_pixels(self.encoder, pixels)

    def predict_features(
        self, embeddings: FloatingArray, top: int = 5, *, logit_scale: float | None = None
    ) -> list[tuple[ScoredLabel, ...]]:
        """Rank the labels for embeddings [N, D] of unit length; a row that is not finite gets no labels.

        The probability of label l is softmax over the whole vocabulary of logit_scale · cos(embedding, l).
        """
        return self.labels_of(self.rank_features(embeddings, top, logit_scale=logit_scale))

    def rank_features(
        self, embeddings: FloatingArray, top: int = 5, *, logit_scale: float | None = None
    ) -> RankedFeatures:
        """Rank the labels for embeddings [N, D] of unit length, as arrays: for very many rows at once."""
        _check_top(top)
        finite: NDArray[np.bool_] = np.all(np.isfinite(embeddings), axis=1)
        usable = np.where(finite[:, None], embeddings, 0)
        if logit_scale is None and not self.faces.plain:
            positions, similarities, probabilities = self.faces.ranked(usable)
        else:
            scale = self.encoder.logit_scale if logit_scale is None else logit_scale
            similarities, positions = self.index.search(usable)
            probabilities = softmax(scale * (similarities - similarities[:, :1]).astype(np.float64))
        top = min(top, len(self.index))
        places = None if self.rated is None else self.rated.dimensions(usable)
        return RankedFeatures(positions[:, :top], probabilities[:, :top], similarities[:, :top], finite, places)

    def labels_of(self, ranked: RankedFeatures) -> list[tuple[ScoredLabel, ...]]:
        """Return each ranked row's labels, best first; none for a row that is not finite."""
        columns = (ranked.positions, ranked.probabilities, ranked.similarities)
        return [self._labels(*row) if good else () for good, *row in zip(ranked.finite.tolist(), *columns, strict=True)]

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
        """Rank the labels for texts instead of images, with the encoder's own temperature for text.

        ``texts`` is a sequence of texts; one text alone is taken as a sequence of one.
        """
        texts = [texts] if isinstance(texts, str) else list(texts)
        if not texts:
            return []
        read, scale = text_reader(self.encoder)
        return self.predict_features(np.asarray(read(texts)), top, logit_scale=scale)

    def message_probabilities(self, texts: Sequence[str]) -> NDArray[np.float64]:
        """Return each chat message's probability of every label, [N, L] in the vocabulary's order; NaN if not finite.

        p_l = softmax over the labels of scale · cos(message, l), with the encoder's side and scale for messages where
        it has them, else those for texts.
        """
        if not texts:
            return np.empty((0, len(self.index)))
        read, scale = text_reader(self.encoder)
        similarities = self.index.similarities(np.asarray(read(list(texts)))).astype(np.float64)
        return softmax(scale * similarities)


def embed_regions(encoder: ImageTextEncoder, batch: Sequence[Region]) -> list[EmbeddedRegion]:
    """Embed the parts of a batch that have pixels; raises ModelError when memory runs out."""
    pixels = [region.pixels for region in batch if region.pixels is not None]
    vectors = iter(embed_pixels(encoder, pixels) if pixels else ())
    return [
        EmbeddedRegion(
            region.name, region.described(), next(vectors) if region.pixels is not None else None, region.error
        )
        for region in batch
    ]


def as_vocabulary(words: str | Path | Sequence[str] | Vocabulary) -> Vocabulary:
    """Return the vocabulary that a name, a file, a comma list or a sequence of words stands for.

    Raises UsageError for anything else.
    """
    if isinstance(words, Vocabulary):
        return words
    if isinstance(words, (str, Path)):
        return Vocabulary.load(words)
    for strange in (word for word in words if not isinstance(word, str)):
        raise UsageError(
            f"A vocabulary's words are texts, not {type(strange).__name__} as {strange!r}: write them out."
        )
    return Vocabulary.from_words(words)


def _several(images: Iterable[object]) -> Iterable[object]:
    """See that images are several: a path or a picture is iterable too, but not as images."""
    if isinstance(images, (str, bytes, Path, np.ndarray)) or not isinstance(images, Iterable):
        raise UsageError("stream takes several images, such as a list of paths: call the labeller for a single one.")
    return images


def _sources(image: object) -> list[ImageSource]:
    return [image] if isinstance(image, ImageSource) else as_sources([image])


def _check_top(top: int) -> None:
    if top < 1:
        raise UsageError(f"top must be at least 1, not {top}.")
