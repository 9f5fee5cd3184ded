"""The emotion of a turn as the file itself gives it."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from clip_emotion.errors import UsageError
from clip_emotion.suggestion import label_hint
from clip_emotion.vocabulary import Vocabulary
from scoring.conversation import Turn
from scoring.emotions.base import GIVEN, Judgement

NOT_GIVEN = "the file gives it no emotions"
ALL_ZERO = "the emotions given are all zero"


class GivenEmotion:
    """Takes the emotions that the file itself gives, by key, name or synonym, and makes them sum to 1."""

    name = GIVEN

    def __init__(self, vocabulary: Vocabulary) -> None:
        self.vocabulary = vocabulary
        self.notices: tuple[str, ...] = ()
        self._columns: dict[str, int] = {}

    def emotions(self, turns: Sequence[Turn]) -> Judgement:
        """Judge T turns; a turn that gives no emotions, or only zeros, is a row of NaN and has a reason.

        Raises UsageError for a label that is not in the vocabulary, and for a value that is negative or no number.
        """
        rows = np.zeros((len(turns), len(self.vocabulary)))
        for row, turn in zip(rows, turns, strict=True):
            for label, value in (turn.emotions or {}).items():
                row[self._column(label, turn)] += _checked(value, label, turn)
        totals = rows.sum(axis=1)
        reasons = {
            turn.index: ALL_ZERO if turn.emotions else NOT_GIVEN
            for turn, total in zip(turns, totals, strict=True)
            if not total
        }
        with np.errstate(invalid="ignore"):
            return Judgement(np.asarray(rows / totals[:, None]), reasons, (self.name,))

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
