"""How well an encoder names faces by the words it was trained on and by words that it never saw."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from clip_emotion.errors import UsageError
from clip_emotion.label import LANGUAGES
from clip_emotion.models.base import ImageTextEncoder
from clip_emotion.retrieval.evaluation.classes import match_classes
from clip_emotion.retrieval.evaluation.encoding import encode_image_rows
from clip_emotion.retrieval.evaluation.evaluate import BASIC
from clip_emotion.retrieval.evaluation.labelled import ImageRow
from clip_emotion.retrieval.labelling.index import VocabularyIndex
from clip_emotion.retrieval.labelling.stream import StreamConfig
from clip_emotion.vocabulary import Vocabulary

SYNONYMS, FAMILIES = "synonyms7", "kote36"


def word_scores(encoder: ImageTextEncoder, rows: Sequence[ImageRow], stream: StreamConfig) -> dict[str, float]:
    """Score one set of labelled images, each score in [0, 1], in each language that the encoder reads.

    ``trained`` is the accuracy over the basic emotions that the set has. ``unseen`` is the mean of two: the accuracy
    over ``synonyms7``, one untrained synonym for each of them, and the share of images whose best word of ``kote36``
    is of the true family, averaged over the classes. The scores per language come along. Raises UsageError for
    classes that are no basic emotions.
    """
    basic, languages = Vocabulary.load(BASIC), [name for name in LANGUAGES if name in encoder.languages]
    if not languages:
        raise UsageError(f"Model {encoder.name} reads neither Korean nor English: its words cannot be scored.")
    found = match_classes({row.label for row in rows}, basic)
    encoded = encode_image_rows(encoder, rows, stream)
    truth = np.array([found[rows[place].label] for place in encoded.kept], dtype=object)
    images: NDArray[np.float32] = encoded.embeddings
    own = basic.subset([key for key in basic.keys if key in set(truth.tolist())])
    scores: dict[str, float] = {}
    for language in languages:
        answers = _answers(encoder, images, own, language)
        scores[f"trained_{language}"] = float((answers == truth).mean())
        scores[f"synonyms_{language}"] = _synonyms(encoder, images, truth, language)
        scores[f"families_{language}"] = _families(encoder, images, truth, language)
    return {**_summary(scores, languages), **scores}


def _summary(scores: Mapping[str, float], languages: Sequence[str]) -> dict[str, float]:
    synonyms, families, trained = (
        float(np.mean([scores[f"{name}_{language}"] for language in languages]))
        for name in ("synonyms", "families", "trained")
    )
    return {"trained": trained, "unseen": (synonyms + families) / 2}


def _answers(
    encoder: ImageTextEncoder, images: NDArray[np.float32], vocabulary: Vocabulary, language: str
) -> NDArray[np.object_]:
    best = VocabularyIndex.build(encoder, vocabulary, language).search(images, 1)[1][:, 0]
    return np.array(vocabulary.keys, dtype=object)[best]


def _synonyms(
    encoder: ImageTextEncoder, images: NDArray[np.float32], truth: NDArray[np.object_], language: str
) -> float:
    vocabulary, there = Vocabulary.load(SYNONYMS), set(truth.tolist())
    vocabulary = vocabulary.subset([key for key in vocabulary.keys if key in there])
    rows = np.isin(truth, vocabulary.keys)
    return float((_answers(encoder, images[rows], vocabulary, language) == truth[rows]).mean())


def _families(
    encoder: ImageTextEncoder, images: NDArray[np.float32], truth: NDArray[np.object_], language: str
) -> float:
    vocabulary = Vocabulary.load(FAMILIES)
    families = {label.key: set(label.families or (label.key,)) for label in vocabulary.labels}
    hits = np.array(
        [
            true in families[word]
            for true, word in zip(truth, _answers(encoder, images, vocabulary, language), strict=True)
        ]
    )
    classes = [key for key in sorted(set(truth.tolist())) if any(key in own for own in families.values())]
    return float(np.mean([hits[truth == key].mean() for key in classes]))


def mean_scores(scores: Sequence[Mapping[str, float]]) -> dict[str, float]:
    """Average the scores of several sets, each counting alike; scores that not every set has are left out."""
    shared = [name for name in scores[0] if all(name in other for other in scores)]
    return {name: float(np.mean([own[name] for own in scores])) for name in shared}
