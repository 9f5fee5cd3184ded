"""Words taught by examples, and temperatures by labelled faces: rows in, an adapter out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from clip_emotion.errors import UsageError
from clip_emotion.evaluation.calibration import FEWEST, Calibration, calibrate, too_few
from clip_emotion.models.base import ImageTextEncoder
from clip_emotion.retrieval.adapting.adapter import Adapter
from clip_emotion.retrieval.adapting.examples import (
    Reading,
    distinct,
    drawn,
    labelled_faces,
    refuse_texts,
    with_new_words,
)
from clip_emotion.retrieval.adapting.logits import FaceLogits
from clip_emotion.retrieval.adapting.pseudo import Unlabelled, with_pseudo_examples
from clip_emotion.retrieval.adapting.tip_adapter import FewShot, FitOptions, Fitted, fit_few_shot
from clip_emotion.retrieval.evaluation.labelled import Labelled
from clip_emotion.retrieval.labelling.index import VocabularyIndex
from clip_emotion.retrieval.labelling.languages import choose_language
from clip_emotion.vocabulary import Vocabulary

SHOTS = 16
"""Examples a word that are taken at most."""
SHOWN_REASONS = 3
"""Reasons for which rows are left out that an error tells of."""


@dataclass(frozen=True)
class AdaptOptions:
    """How words are taught: the language of the words, most examples a word, how to fit, and how faces are read.

    ``unlabelled`` are embeddings [N, D] of faces that may stand in for words without an example.
    """

    language: str = "auto"
    shots: int = SHOTS
    fit: FitOptions = field(default_factory=FitOptions)
    reading: Reading = field(default_factory=Reading)
    unlabelled: NDArray[np.float32] | None = None


@dataclass(frozen=True)
class Adapted:
    """An adapter with how it came about.

    ``new`` are the words that the vocabulary lacked, ``errors`` a sentence a row that could not be used, ``unused`` how
    many examples were more than wanted, ``pseudo`` how many faces without a label stand in for words without examples.
    """

    adapter: Adapter
    fitted: Fitted
    new: tuple[str, ...]
    errors: tuple[str, ...]
    unused: int
    pseudo: int = 0

    @property
    def without(self) -> tuple[str, ...]:
        """The words that have no example."""
        return tuple(key for key in self.adapter.vocabulary.keys if key not in self.adapter.examples)


def adapt(
    encoder: ImageTextEncoder, rows: Labelled, vocabulary: Vocabulary | None = None, options: AdaptOptions | None = None
) -> Adapted:
    """Teach a vocabulary's words by examples: Tip-Adapter-F with the words' prototypes as its start.

    Classes that the vocabulary lacks become new words; without a vocabulary the classes are the words. Raises
    UsageError or DataError where no row can be used.
    """
    options = options or AdaptOptions()
    refuse_texts(rows)
    words, new = with_new_words(vocabulary, [row.label for row in rows.images if not row.fault])
    language = choose_language(encoder, words, options.language)
    faces = distinct(labelled_faces(encoder, rows, words, options.reading), words.keys)
    chosen = drawn(faces, options.shots, options.fit.seed)
    logits = FaceLogits.of(encoder, VocabularyIndex.build(encoder, words, language))
    few, pseudo = FewShot(chosen.vectors, chosen.words, logits(chosen.vectors)), 0
    if options.unlabelled is not None and len(options.unlabelled):
        others = Unlabelled(options.unlabelled, logits(options.unlabelled))
        few, pseudo = with_pseudo_examples(few, others, options.fit.seed)
    fitted = fit_few_shot(few, options.fit)
    counts = np.bincount(chosen.words, minlength=len(words))
    adapter = Adapter(
        words,
        language,
        encoder.name,
        encoder.fingerprint,
        fitted.temperature,
        fitted.cache,
        {key: count for key, count in zip(words.keys, counts.tolist(), strict=True) if count},
    )
    return Adapted(adapter, fitted, new, faces.errors, len(faces.words) - len(chosen.words), pseudo)


@dataclass(frozen=True)
class CalibrateOptions:
    """How a temperature is fitted: the language of the words, seed and number of folds, and how faces are read."""

    language: str = "auto"
    seed: int = 0
    folds: int = 5
    reading: Reading = field(default_factory=Reading)


def calibrate_words(
    encoder: ImageTextEncoder, rows: Labelled, words: Vocabulary | Adapter, options: CalibrateOptions | None = None
) -> tuple[Adapter, Calibration, tuple[str, ...]]:
    """Fit the temperature of words, or of an adapter, on labelled faces.

    Returns an adapter with that temperature, what it is worth, and a sentence for each row that could not be used.
    Raises UsageError or DataError where there are too few rows.
    """
    options = options or CalibrateOptions()
    adapter = words if isinstance(words, Adapter) else _plain(encoder, words, options.language)
    adapter.check(encoder)
    faces = labelled_faces(encoder, rows, adapter.vocabulary, options.reading)
    if len(faces.words) < FEWEST and faces.errors:
        raise UsageError(f"{too_few(len(faces.words))} {_left_out(faces.errors)}")
    index = VocabularyIndex.build(encoder, adapter.vocabulary, adapter.language)
    found = calibrate(
        FaceLogits.of(encoder, index, adapter)(faces.vectors), faces.words, folds=options.folds, seed=options.seed
    )
    return replace(adapter, temperature=adapter.temperature * found.temperature), found, faces.errors


def _left_out(errors: Sequence[str]) -> str:
    """Say how many rows could not be used, with an example of each of a few reasons."""
    examples: dict[str, str] = {}
    for error in errors:
        examples.setdefault(error.rpartition(": ")[2], error)
    shown = [error.rstrip(".") for error in examples.values()][:SHOWN_REASONS]
    return f"Rows left out: {len(errors):,}, such as {'; '.join(shown)}."


def _plain(encoder: ImageTextEncoder, words: Vocabulary, language: str) -> Adapter:
    return Adapter(words, choose_language(encoder, words, language), encoder.name, encoder.fingerprint)
