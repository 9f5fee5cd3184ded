"""The emotion of a turn: one contract, whatever the turn is judged by."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np

from clip_emotion.arrays import FloatArray
from clip_emotion.vocabulary import Vocabulary
from scoring.conversation import Turn

GIVEN = "given"
"""The source of emotions that stand in the file itself."""
NO_HEAD = (
    "KoBERT's emotions need its trained head: give its folder with --kobert FOLDER, which clip-emotion train "
    "configs/train/kobert_kote.yaml makes."
)


@dataclass(frozen=True)
class Judgement:
    """The emotions of T turns: ``probabilities`` [T, L], each row summing to 1, or NaN where nothing can be said.

    ``reasons`` says, by a turn's index, why its row is NaN, or why a part of a turn that was judged could not be used.
    ``sources`` names what these turns were judged by; ``notices`` holds sentences to read before trusting it.
    """

    probabilities: FloatArray
    reasons: Mapping[int, str] = field(default_factory=dict)
    sources: tuple[str, ...] = ()
    notices: tuple[str, ...] = ()

    @classmethod
    def joined(cls, parts: Sequence[Judgement]) -> Judgement:
        """Join the judgements of at least one stretch of turns, in order."""
        return cls(
            np.concatenate([part.probabilities for part in parts]),
            {index: reason for part in parts for index, reason in part.reasons.items()},
            tuple(dict.fromkeys(source for part in parts for source in part.sources)),
            tuple(dict.fromkeys(notice for part in parts for notice in part.notices)),
        )


def sources_in_words(sources: Sequence[str]) -> str:
    """Return what turns were judged by as one text; emotions given in the file come first, and are never pooled."""
    judged = " + ".join(source for source in sources if source != GIVEN)
    if GIVEN not in sources:
        return judged
    return f"{GIVEN}, else {judged}" if judged else GIVEN


class TurnEmotion(Protocol):
    """Gives each turn a probability per label of one vocabulary; a call leaves nothing behind that a later one shows.

    ``notices`` holds sentences that a person should read before trusting any judgement.
    """

    name: str
    vocabulary: Vocabulary
    notices: tuple[str, ...]

    def emotions(self, turns: Sequence[Turn]) -> Judgement:
        """Judge T turns, of which each may have words, an image, emotions of its own, or none of these."""
        ...
