"""The emotion of a turn: one contract, whatever the turn is judged by."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from clip_emotion.vocabulary import Vocabulary
from scoring.conversation import Turn

FloatArray = NDArray[np.float64]

NO_HEAD = (
    "KoBERT's emotions need its trained head: give its folder with --kobert FOLDER, which clip-emotion train "
    "configs/train/kobert_kote.yaml makes."
)


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


@runtime_checkable
class GivesReasons(Protocol):
    """What a maker adds that can say more than "nothing": the ``reasons`` of its last call, by the turns' indices.

    A reason stands for a row of NaN, or for a picture that could not be used beside a text that could.
    """

    reasons: Mapping[int, str]


def reasons_of(emotion: TurnEmotion) -> Mapping[int, str]:
    """Return why the last call could say nothing of some turns, by the turns' indices; empty where it tells none."""
    return emotion.reasons if isinstance(emotion, GivesReasons) else {}
