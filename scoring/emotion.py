"""The emotion of a turn: one contract, whatever the turn is judged by."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from clip_emotion.vocabulary import Vocabulary
from scoring.turns import Turn

FloatArray = NDArray[np.float64]


class TurnEmotion(Protocol):
    """Gives each turn a probability per label of one vocabulary.

    ``notices`` holds sentences that a person should read before trusting the result.
    """

    name: str
    vocabulary: Vocabulary
    notices: tuple[str, ...]

    def emotions(self, turns: Sequence[Turn]) -> FloatArray:
        """Return probabilities [T, L], each row summing to 1; a row of NaN where nothing can be said of a turn."""
        ...
