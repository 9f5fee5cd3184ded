"""Several makers for one turn: text and picture fused, and the choice of whatever a turn has."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.special import softmax

from clip_emotion.errors import UsageError
from scoring.config import FusionConfig
from scoring.conversation import Turn
from scoring.emotions.base import FloatArray, TurnEmotion, reasons_of


def fuse(text: FloatArray, picture: FloatArray, weight: float) -> FloatArray:
    """Fuse probabilities [T, L] log-linearly: p ∝ p_text^(1 - weight) · p_picture^weight.

    Where one of the two rows is NaN the other stands alone. This is the logarithmic opinion pool (Genest and Zidek,
    "Combining probability distributions", 1986).
    """
    seen = _finite(picture)
    fused = np.where(seen[:, None], picture, text)
    both = seen & _finite(text)
    smallest = np.finfo(np.float64).tiny  # so that a probability of 0 to the power of 0 is 1
    logs = (1 - weight) * np.log(np.maximum(text[both], smallest))
    logs += weight * np.log(np.maximum(picture[both], smallest))
    fused[both] = softmax(logs, axis=1)
    return fused


def _finite(rows: FloatArray) -> NDArray[np.bool_]:
    return np.asarray(np.all(np.isfinite(rows), axis=1))


class FusedEmotion:
    """Judges a turn by its words and its picture together, or by the one that it has.

    Raises UsageError where the two give different labels.
    """

    def __init__(self, text: TurnEmotion, image: TurnEmotion, config: FusionConfig) -> None:
        _same_labels(text, image)
        self.name = f"{text.name} + {image.name}"
        self.vocabulary = text.vocabulary
        self.notices = tuple(dict.fromkeys((*text.notices, *image.notices)))
        self.reasons: Mapping[int, str] = {}
        self._text, self._image, self._weight = text, image, config.picture

    def emotions(self, turns: Sequence[Turn]) -> FloatArray:
        """Return probabilities [T, L]; NaN where neither words nor picture can be judged."""
        rows = np.array(self._text.emotions(turns))
        reasons = dict(reasons_of(self._text))
        shown = [at for at, turn in enumerate(turns) if turn.image is not None]
        if shown:
            rows[shown] = fuse(rows[shown], self._image.emotions([turns[at] for at in shown]), self._weight)
            reasons |= reasons_of(self._image)
        self.reasons = reasons
        return rows


class AutoEmotion:
    """Judges each turn by what it has: the emotions given with it, else its words and its picture.

    ``load_image`` is called once, when the first picture comes. ``name`` and ``notices`` are of the makers used so far.
    """

    def __init__(
        self, given: TurnEmotion, text: TurnEmotion, load_image: Callable[[], TurnEmotion], config: FusionConfig
    ) -> None:
        _same_labels(given, text)
        self.vocabulary = text.vocabulary
        self.reasons: Mapping[int, str] = {}
        self._given, self._judge = given, text
        self._load_image: Callable[[], TurnEmotion] | None = load_image
        self._config = config
        self._any_given = False
        self._describe(any_given=False)

    def emotions(self, turns: Sequence[Turn]) -> FloatArray:
        """Return probabilities [T, L]; NaN where a turn has nothing that can be judged."""
        rows = np.full((len(turns), len(self.vocabulary)), np.nan)
        reasons: dict[int, str] = {}
        with_own = [at for at, turn in enumerate(turns) if turn.emotions]
        without = [at for at, turn in enumerate(turns) if not turn.emotions]
        if any(turns[at].image is not None for at in without):
            self._look_at_images()
        self._describe(any_given=bool(with_own))
        for maker, places in ((self._given, with_own), (self._judge, without)):
            if places:
                rows[places] = maker.emotions([turns[at] for at in places])
                reasons |= reasons_of(maker)
        self.reasons = reasons
        return rows

    def _look_at_images(self) -> None:
        if self._load_image is not None:
            self._judge = FusedEmotion(self._judge, self._load_image(), self._config)
            self._load_image = None

    def _describe(self, any_given: bool) -> None:
        self._any_given = self._any_given or any_given
        self.name = f"given, else {self._judge.name}" if self._any_given else self._judge.name
        self.notices = tuple(dict.fromkeys((*self._given.notices, *self._judge.notices)))


def _same_labels(first: TurnEmotion, second: TurnEmotion) -> None:
    if first.vocabulary.keys != second.vocabulary.keys:
        raise UsageError(
            f"{first.name} gives labels of '{first.vocabulary.name}' and {second.name} of "
            f"'{second.vocabulary.name}': load both with one vocabulary."
        )
