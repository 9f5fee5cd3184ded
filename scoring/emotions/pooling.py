"""Several judges of one turn: text and image fused, and the choice of whatever a turn has."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from scipy.special import softmax

from clip_emotion.arrays import BoolArray, FloatArray
from clip_emotion.errors import UsageError
from scoring.config import FusionConfig
from scoring.conversation import Turn
from scoring.emotions.base import Judgement, TurnEmotion


def fuse(text: FloatArray, image: FloatArray, weight: float) -> FloatArray:
    """Fuse probabilities [T, L] log-linearly: p ∝ p_text^(1 - weight) · p_image^weight.

    Where one of the two rows is NaN the other stands alone. This is the logarithmic opinion pool (Genest and Zidek,
    "Combining probability distributions", 1986).
    """
    seen = _finite(image)
    fused = np.where(seen[:, None], image, text)
    both = seen & _finite(text)
    smallest = np.finfo(np.float64).tiny  # so that a probability of 0 to the power of 0 is 1
    logs = (1 - weight) * np.log(np.maximum(text[both], smallest))
    logs += weight * np.log(np.maximum(image[both], smallest))
    fused[both] = softmax(logs, axis=1)
    return fused


def _finite(rows: FloatArray) -> BoolArray:
    return np.asarray(np.all(np.isfinite(rows), axis=1))


class FusedEmotion:
    """Judges a turn by its words and its image together, or by the one that it has.

    Raises UsageError where the two give different labels.
    """

    def __init__(self, text: TurnEmotion, image: TurnEmotion, config: FusionConfig) -> None:
        _same_labels(text, image)
        self.name = f"{text.name} + {image.name}"
        self.vocabulary = text.vocabulary
        self.notices = tuple(dict.fromkeys((*text.notices, *image.notices)))
        self._text, self._image, self._weight = text, image, config.image

    def emotions(self, turns: Sequence[Turn]) -> Judgement:
        """Judge T turns; one whose words and image can neither be judged is a row of NaN."""
        by_text = self._text.emotions(turns)
        shown = [at for at, turn in enumerate(turns) if turn.image is not None]
        if not shown:
            return by_text
        by_image = self._image.emotions([turns[at] for at in shown])
        rows = np.array(by_text.probabilities)
        rows[shown] = fuse(rows[shown], by_image.probabilities, self._weight)
        return Judgement(
            rows,
            {**by_text.reasons, **by_image.reasons},
            (*by_text.sources, *by_image.sources),
            (*by_text.notices, *by_image.notices),
        )


class AutoEmotion:
    """Judges each turn by what it has: the emotions given with it, else its words and its image.

    ``load_image`` is called once, when the first image comes; its notices then stand in the judgement.
    """

    def __init__(
        self, given: TurnEmotion, text: TurnEmotion, load_image: Callable[[], TurnEmotion], config: FusionConfig
    ) -> None:
        _same_labels(given, text)
        self.name = f"{given.name}, else {text.name}"
        self.vocabulary = text.vocabulary
        self.notices = tuple(dict.fromkeys((*given.notices, *text.notices)))
        self._given, self._text = given, text
        self._load_image, self._config = load_image, config
        self._fused: FusedEmotion | None = None

    def emotions(self, turns: Sequence[Turn]) -> Judgement:
        """Judge T turns; one that has nothing that can be judged is a row of NaN."""
        rows = np.full((len(turns), len(self.vocabulary)), np.nan)
        with_own = [at for at, turn in enumerate(turns) if turn.emotions]
        without = [at for at, turn in enumerate(turns) if not turn.emotions]
        has_image = any(turns[at].image is not None for at in without)
        judge = self._text_and_image() if has_image else self._text
        parts = []
        for emotion, places in ((self._given, with_own), (judge, without)):
            if places:
                parts.append(emotion.emotions([turns[at] for at in places]))
                rows[places] = parts[-1].probabilities
        notices = judge.notices if has_image else ()
        return Judgement(
            rows,
            {index: reason for part in parts for index, reason in part.reasons.items()},
            tuple(source for part in parts for source in part.sources),
            tuple(dict.fromkeys((*notices, *(notice for part in parts for notice in part.notices)))),
        )

    def _text_and_image(self) -> FusedEmotion:
        if self._fused is None:
            self._fused = FusedEmotion(self._text, self._load_image(), self._config)
        return self._fused


def _same_labels(first: TurnEmotion, second: TurnEmotion) -> None:
    if first.vocabulary.keys != second.vocabulary.keys:
        raise UsageError(
            f"{first.name} gives labels of '{first.vocabulary.name}' and {second.name} of "
            f"'{second.vocabulary.name}': load both with one vocabulary."
        )
