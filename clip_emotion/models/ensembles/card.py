"""What ``ensemble.yaml`` says of an ensemble and its members."""

from __future__ import annotations

import math
from typing import Annotated, Any, Literal, Self

from pydantic import ConfigDict, Field, model_validator

from clip_emotion.config import Config
from clip_emotion.models.emotion_clip.trained_vocabulary import TrainedVocabulary, known_by
from clip_emotion.models.ensembles.combining import Method
from clip_emotion.vocabulary import Vocabulary

DESCRIPTION = "ensemble.yaml"
SUM_TOLERANCE = 1e-6

MemberFolder = Annotated[str, Field(pattern=r"^member_[0-9]{1,3}$")]
"""A folder within the ensemble's: one from elsewhere must not reach outside itself."""


class MemberCard(Config):
    """One member: a ``folder`` beside the description, or a ``model`` that is found by its name, and how it answers.

    ``name`` is what it was called when the ensemble was made. ``language`` is that of the words that it is asked by.
    """

    name: str
    folder: MemberFolder | None = None
    model: str | None = None
    fingerprint: str
    language: Literal["ko", "en"]
    weight: float = Field(ge=0, le=1)

    @model_validator(mode="after")
    def _one_place(self) -> Self:
        if (self.folder is None) == (self.model is None):
            raise ValueError("a member has either a folder or a model's name")
        return self


class EnsembleCard(Config):
    """An ensemble: how its members' probabilities are combined, over which words, and what was measured.

    ``made_with`` tells on which rows weights were fitted and figures measured.
    """

    # A metric that is not defined is NaN.
    model_config = ConfigDict(allow_inf_nan=True)

    format: Literal[1] = 1
    name: str
    method: Method
    vocabulary: TrainedVocabulary
    aliases: dict[str, tuple[str, ...]] = Field(default_factory=dict)
    members: tuple[MemberCard, ...] = Field(min_length=2)
    metrics: dict[str, float] = Field(default_factory=dict)
    made_with: dict[str, Any] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _weights_sum_to_one(self) -> Self:
        if not math.isclose(sum(member.weight for member in self.members), 1, abs_tol=SUM_TOLERANCE):
            raise ValueError("the members' weights must sum to 1")
        return self

    def classes(self) -> Vocabulary:
        """Return the words, each recognised by all the spellings that it had when the ensemble was made."""
        return known_by(self.vocabulary.vocabulary(), self.aliases)
