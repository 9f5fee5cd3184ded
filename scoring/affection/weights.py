"""How warm each label is: its similarity to the affection anchors, as one weight in [-1, 1]."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from clip_emotion.errors import UsageError
from clip_emotion.label import LANGUAGES, Label
from clip_emotion.suggestion import label_hint
from clip_emotion.text import has_hangul, nfc
from clip_emotion.vocabulary import Vocabulary
from scoring.config import WeightsConfig
from scoring.embedders import TextEmbedder
from scoring.whitening import NOTHING, unit

FloatArray = NDArray[np.float64]


@dataclass(frozen=True)
class AffectionWeights:
    """The labels' weights w [L] in [-1, 1], in the vocabulary's order; ``source`` says where they come from.

    ``raw`` and ``centred`` are the labels' mean cosine similarities to the anchors before and after the mean label
    embedding is subtracted, ``aversion`` the centred ones to the aversion anchors; each is [L], or None where there is
    none. ``overridden`` names the labels whose weight was set by hand. All arrays are read-only.
    """

    keys: tuple[str, ...]
    values: FloatArray
    source: str
    raw: FloatArray | None = None
    centred: FloatArray | None = None
    aversion: FloatArray | None = None
    overridden: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for name in ("values", "raw", "centred", "aversion"):
            given = getattr(self, name)
            if given is not None:
                object.__setattr__(self, name, _frozen(given, len(self.keys), name))


def _frozen(values: FloatArray, size: int, name: str) -> FloatArray:
    copy = np.array(values, dtype=np.float64)
    if copy.shape != (size,):
        raise UsageError(f"Weights: '{name}' must hold one number for each of {size} labels, got {copy.shape}.")
    copy.setflags(write=False)
    return copy


@dataclass(frozen=True, slots=True)
class Spread:
    """How far numbers lie apart: smallest, largest, (population) standard deviation and range."""

    minimum: float
    maximum: float
    std: float
    range: float


def spread(values: FloatArray) -> Spread:
    """Return the spread of at least one number."""
    low, high = float(np.min(values)), float(np.max(values))
    return Spread(low, high, float(np.std(values)), high - low)


def affection_weights(
    vocabulary: Vocabulary, embedder: TextEmbedder, config: WeightsConfig, language: str = "auto"
) -> AffectionWeights:
    """Weigh each label of a vocabulary by its similarity to the anchors of ``config``.

    With e_l a label's embedding (the normalised mean over its name and synonyms), m the mean of the e_l and
    c(x) = (x - m) / |x - m|:

        u_l = mean over anchors a of c(e_l)·c(e_a)  -  mean over aversion anchors b of c(e_l)·c(e_b)
        w_l = u_l / max |u|

    Subtracting the mean undoes the crowding of contextual embeddings in a narrow cone (Mu and Viswanath,
    "All-but-the-top", 2018). With ``config.judged`` a label's own weight in the vocabulary's file goes before that.
    ``config.overrides`` then replace single weights; where they name every label, nothing is embedded. ``language`` is
    ``ko``, ``en`` or ``auto``, which takes the anchors' own.

    Raises UsageError for overrides that name no label or lie outside [-1, 1], for an unknown language, and where the
    embeddings give no weights (one label, or labels that the embedder cannot tell apart).
    """
    overrides = _overrides(vocabulary, config.overrides)
    overridden = tuple(key for key in vocabulary.keys if key in overrides)
    if len(overrides) == len(vocabulary):
        return AffectionWeights(
            vocabulary.keys, np.array([overrides[key] for key in vocabulary.keys]), "set by hand", overridden=overridden
        )
    anchors, aversion = _words(config.anchors, "anchors"), _words(config.aversion, "aversion")
    labels = label_embeddings(vocabulary, embedder, _language(language, anchors))
    mean = labels.mean(axis=0)
    towards = _embed(embedder, anchors)
    around = unit(labels - mean)
    centred = _mean_cosine(around, unit(towards - mean))
    away = _mean_cosine(around, unit(_embed(embedder, aversion) - mean)) if aversion else None
    values = _scaled(centred if away is None else centred - away, vocabulary, embedder.name)
    judged = [at for at, label in enumerate(vocabulary.labels) if config.judged and label.affection is not None]
    values[judged] = [vocabulary.labels[at].affection for at in judged]
    for key, value in overrides.items():
        values[vocabulary.index(key)] = value
    source = _source(_maker(vocabulary, len(judged)), embedder.name, config, overridden)
    return AffectionWeights(vocabulary.keys, values, source, _mean_cosine(labels, towards), centred, away, overridden)


def label_embeddings(vocabulary: Vocabulary, embedder: TextEmbedder, language: str) -> FloatArray:
    """Return each label's embedding, [L, D]: the normalised mean over its name and synonyms in one language."""
    spoken = [_spoken(label, language) for label in vocabulary.labels]
    embedded = _embed(embedder, [word for words in spoken for word in words])
    ends = np.cumsum([len(words) for words in spoken])
    return unit(np.stack([part.mean(axis=0) for part in np.split(embedded, ends[:-1])]))


def _spoken(label: Label, language: str) -> list[str]:
    # A label without a name in this language is spoken in its own.
    chosen = language if language in label.names else next(iter(label.names), language)
    return [label.name(chosen), *label.synonyms.get(chosen, ())]


def _language(language: str, anchors: Sequence[str]) -> str:
    if language == "auto":
        return "ko" if any(map(has_hangul, anchors)) else "en"
    if language not in LANGUAGES:
        raise UsageError(f"Unknown language '{language}': choose one of auto, {', '.join(LANGUAGES)}.")
    return language


def _words(words: Sequence[str], setting: str) -> tuple[str, ...]:
    cleaned = tuple(nfc(word).strip() for word in words)
    if not all(cleaned):
        raise UsageError(f"weights.{setting} holds an empty word: remove it.")
    return cleaned


def _embed(embedder: TextEmbedder, words: Sequence[str]) -> FloatArray:
    return np.asarray(embedder.embed(words), dtype=np.float64)


def _mean_cosine(labels: FloatArray, anchors: FloatArray) -> FloatArray:
    """Return each label's mean cosine similarity to the anchors: unit [L, D] and [A, D] → [L]."""
    return np.asarray((labels @ anchors.T).mean(axis=1))


def _scaled(weights: FloatArray, vocabulary: Vocabulary, embedder: str) -> FloatArray:
    if len(vocabulary) == 1:
        raise UsageError(f"Vocabulary '{vocabulary.name}' has one label, so nothing to weigh it against: give two.")
    largest = float(np.abs(weights).max())
    if largest < NOTHING:
        raise UsageError(
            f"The embedder '{embedder}' tells none of the labels of '{vocabulary.name}' apart by the anchors: "
            "choose other anchors, other labels or another embedder."
        )
    return np.asarray(weights / largest)


def _overrides(vocabulary: Vocabulary, given: Mapping[str, float]) -> dict[str, float]:
    """Return the overrides by the labels' keys; raises UsageError for unknown, doubled and out-of-range ones."""
    overrides: dict[str, float] = {}
    for name, value in given.items():
        label = vocabulary.match(name)
        if label is None:
            raise UsageError(
                f"weights.overrides names '{name}', no label of '{vocabulary.name}': {label_hint(vocabulary, name)}."
            )
        if label.key in overrides:
            raise UsageError(f"weights.overrides sets '{label.key}' twice, the second time as '{name}': keep one.")
        if not -1 <= value <= 1:
            raise UsageError(f"weights.overrides sets '{name}' to {value}: a weight lies in [-1, 1].")
        overrides[label.key] = float(value)
    return overrides


def _maker(vocabulary: Vocabulary, judged: int) -> str:
    """Return who weighed the judged labels: nobody, the vocabulary as a whole, or it a part of them."""
    if not judged:
        return ""
    return f"judged in {vocabulary.name}" + ("" if judged == len(vocabulary) else f" ({judged} labels)")


def _source(maker: str, embedder: str, config: WeightsConfig, overridden: Sequence[str]) -> str:
    parts = [maker] if maker else []
    if not maker or maker.endswith(")"):
        parts.append(f"{embedder}: {', '.join(_words(config.anchors, 'anchors'))}")
        if config.aversion:
            parts.append(f"less {', '.join(_words(config.aversion, 'aversion'))}")
    if overridden:
        parts.append(f"set by hand: {', '.join(overridden)}")
    return "; ".join(parts)
