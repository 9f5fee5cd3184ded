"""The makers of a turn's emotion: by its words, by KoBERT, by its picture, or as the file gives it."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from clip_emotion.data.images import ImageSource
from clip_emotion.errors import UsageError
from clip_emotion.retrieval.labelling.labeller import ZeroShotLabeller
from clip_emotion.suggestion import label_hint
from clip_emotion.vocabulary import Vocabulary
from scoring.config import FusionConfig
from scoring.conversation import Turn
from scoring.emotions.base import NO_HEAD, FloatArray, TurnEmotion
from scoring.emotions.normalising import ExpressionNormaliser
from scoring.emotions.pooling import AutoEmotion

if TYPE_CHECKING:
    from clip_emotion.models.kobert.emotion import KobertEmotionModel

NO_FEELING = "only a link or a name"
NO_IMAGE = "no picture"
NOT_GIVEN = "the file gives it no emotions"
ALL_ZERO = "the emotions given are all zero"
NOT_FINITE = "the model gives no finite numbers for this text"


@dataclass(frozen=True)
class EmotionOptions:
    """What the makers are made of: the words, the encoder of texts and pictures, KoBERT's folder, and the fusion.

    ``cache`` is a folder for encoded vocabularies, or None to encode them each time.
    """

    vocabulary: Vocabulary
    model: str = "mini"
    lang: str = "auto"
    device: str = "auto"
    fusion: FusionConfig = field(default_factory=FusionConfig)
    kobert: Path | None = None
    cache: Path | None = None


class TextEmotion:
    """Judges a turn by its words: p = softmax(scale · cos(message, label)) over the vocabulary.

    The encoder's side for messages reads them, where it has one, with that side's scale; else its side for texts.
    Expressions (ㅋㅋ, ㅠㅠ, emoji …) are first brought into the spelling that the encoder knows.
    """

    def __init__(self, labeller: ZeroShotLabeller) -> None:
        self.name = f"text: {labeller.encoder.name}"
        self.vocabulary = labeller.vocabulary
        self.notices = labeller.notices
        self.reasons: Mapping[int, str] = {}
        self._normalise = ExpressionNormaliser.of(labeller.encoder)
        self._judge = labeller.message_probabilities

    def emotions(self, turns: Sequence[Turn]) -> FloatArray:
        """Return probabilities [T, L]; NaN for a turn without words. Each different text is encoded once."""
        rows, self.reasons = judge_texts(turns, self._normalise, self._judge, len(self.vocabulary))
        return rows


class KobertEmotion:
    """Judges a turn by KoBERT with KOTE's head: the labels' sigmoids p_l / Σ p over the vocabulary's labels.

    Raises UsageError for a vocabulary with labels that the model was not trained on.
    """

    def __init__(self, model: KobertEmotionModel, vocabulary: Vocabulary) -> None:
        strange = [key for key in vocabulary.keys if key not in model.labels]
        if strange:
            raise UsageError(
                f"KoBERT's head gives the {len(model.labels)} labels that it was trained on, and '{strange[0]}' of "
                f"vocabulary '{vocabulary.name}' is none of them: use --vocab {model.config.vocabulary} or a part of "
                "it, or --emotions text, which takes any words."
            )
        self.name = f"kobert: {model.config.name}"
        self.vocabulary = vocabulary
        self.notices: tuple[str, ...] = ()
        self.reasons: Mapping[int, str] = {}
        self._model = model
        self._columns = [model.labels.index(key) for key in vocabulary.keys]
        self._normalise = ExpressionNormaliser(self._knows, ("ko",))

    def emotions(self, turns: Sequence[Turn]) -> FloatArray:
        """Return probabilities [T, L]; NaN for a turn without words. Each different text is judged once."""
        rows, self.reasons = judge_texts(turns, self._normalise, self._judge, len(self.vocabulary))
        return rows

    def _judge(self, texts: Sequence[str]) -> FloatArray:
        sigmoids = self._model.predict(texts)[:, self._columns].astype(np.float64)
        return np.asarray(sigmoids / sigmoids.sum(axis=1, keepdims=True))

    def _knows(self, sign: str) -> bool:
        tokenizer = self._model.tokenizer
        pieces = [piece for piece in tokenizer.tokenize(sign) if piece != "▁"]
        return len(pieces) == 1 and tokenizer.convert_tokens_to_ids(pieces[0]) != tokenizer.unk_token_id


def judge_texts(
    turns: Sequence[Turn], normalise: Callable[[str], str], judge: Callable[[list[str]], FloatArray], labels: int
) -> tuple[FloatArray, dict[int, str]]:
    """Return ``judge``'s probabilities of the turns' normalised texts, [T, labels], and reasons for rows of NaN.

    ``judge`` sees each different text once, and no empty one.
    """
    settled = {text: normalise(text) for text in {turn.text for turn in turns}}
    texts = [settled[turn.text] for turn in turns]
    place = {text: at for at, text in enumerate(dict.fromkeys(filter(None, texts)))}
    judged = np.full((len(place) + 1, labels), np.nan)
    if place:
        judged[:-1] = judge(list(place))
    rows = judged[[place.get(text, -1) for text in texts]]
    silent = np.flatnonzero(np.isnan(rows).any(axis=1)).tolist()
    rows[silent] = np.nan
    reasons = {turns[at].index: NOT_FINITE if texts[at] else NO_FEELING for at in silent if turns[at].text.strip()}
    return rows, reasons


class ImageEmotion:
    """Judges a turn by the face in its picture, as ``clip-emotion label`` would."""

    def __init__(self, labeller: ZeroShotLabeller) -> None:
        self.name = f"picture: {labeller.encoder.name}"
        self.vocabulary = labeller.vocabulary
        self.notices = labeller.notices
        self.reasons: Mapping[int, str] = {}
        self._labeller = labeller
        self._column = {key: at for at, key in enumerate(self.vocabulary.keys)}

    def emotions(self, turns: Sequence[Turn]) -> FloatArray:
        """Return probabilities [T, L]; NaN, and a reason, for a turn without a picture or with one of no use."""
        rows = np.full((len(turns), len(self.vocabulary)), np.nan)
        reasons = {turn.index: NO_IMAGE for turn in turns if turn.image is None}
        shown = [at for at, turn in enumerate(turns) if turn.image is not None]
        sources = [ImageSource(str(turns[at].image), turns[at].image) for at in shown]
        for at, prediction in zip(shown, self._labeller.stream(sources, len(self.vocabulary)), strict=True):
            for label in prediction.labels:
                rows[at, self._column[label.key]] = label.probability
            if prediction.error is not None:
                reasons[turns[at].index] = f"picture: {prediction.error}"
        self.reasons = reasons
        return rows


class GivenEmotion:
    """Takes the emotions that the file itself gives, by key, name or synonym, and makes them sum to 1."""

    name = "given"

    def __init__(self, vocabulary: Vocabulary) -> None:
        self.vocabulary = vocabulary
        self.notices: tuple[str, ...] = ()
        self.reasons: Mapping[int, str] = {}
        self._columns: dict[str, int] = {}

    def emotions(self, turns: Sequence[Turn]) -> FloatArray:
        """Return probabilities [T, L]; NaN for a turn that gives none, or only zeros.

        Raises UsageError for a label that is not in the vocabulary, and for a value that is negative or no number.
        """
        rows = np.zeros((len(turns), len(self.vocabulary)))
        for row, turn in zip(rows, turns, strict=True):
            for label, value in (turn.emotions or {}).items():
                row[self._column(label, turn)] += _checked(value, label, turn)
        totals = rows.sum(axis=1)
        self.reasons = {
            turn.index: ALL_ZERO if turn.emotions else NOT_GIVEN
            for turn, total in zip(turns, totals, strict=True)
            if not total
        }
        with np.errstate(invalid="ignore"):
            return np.asarray(rows / totals[:, None])

    def _column(self, alias: str, turn: Turn) -> int:
        if alias not in self._columns:
            label = self.vocabulary.match(alias)
            if label is None:
                raise UsageError(
                    f"Turn {turn.index} gives the emotion '{alias}', no label of vocabulary "
                    f"'{self.vocabulary.name}': {label_hint(self.vocabulary, alias)}."
                )
            self._columns[alias] = self.vocabulary.index(label.key)
        return self._columns[alias]


def _checked(value: float, label: str, turn: Turn) -> float:
    if not (math.isfinite(value) and value >= 0):
        raise UsageError(f"Turn {turn.index} gives '{label}' the probability {value}: it must be a number from 0 up.")
    return value


def load_emotion(kind: str, options: EmotionOptions) -> TurnEmotion:
    """Load a maker by name, with its models; raises UsageError for an unknown name and ModelError for lost weights."""
    if kind not in MAKERS:
        raise UsageError(f"Unknown maker of emotions '{kind}': choose one of {', '.join(MAKERS)}.")
    return MAKERS[kind](options)


def _labeller(options: EmotionOptions) -> ZeroShotLabeller:
    from clip_emotion.models import registry

    encoder = registry.load_encoder(options.model, options.device)
    return ZeroShotLabeller(encoder, options.vocabulary, options.lang, cache=options.cache)


def _kobert(options: EmotionOptions) -> KobertEmotion:
    if options.kobert is None:
        raise UsageError(NO_HEAD)
    from clip_emotion.models.kobert.emotion import load_kobert_emotion
    from clip_emotion.runtime import resolve_device

    return KobertEmotion(load_kobert_emotion(options.kobert, resolve_device(options.device)), options.vocabulary)


def _auto(options: EmotionOptions) -> AutoEmotion:
    given = GivenEmotion(options.vocabulary)
    if options.kobert is not None:
        return AutoEmotion(given, _kobert(options), lambda: ImageEmotion(_labeller(options)), options.fusion)
    labeller = _labeller(options)
    return AutoEmotion(given, TextEmotion(labeller), lambda: ImageEmotion(labeller), options.fusion)


MAKERS: dict[str, Callable[[EmotionOptions], TurnEmotion]] = {
    "auto": _auto,
    "text": lambda options: TextEmotion(_labeller(options)),
    "kobert": _kobert,
    "image": lambda options: ImageEmotion(_labeller(options)),
    "given": lambda options: GivenEmotion(options.vocabulary),
}
