"""What ``fusion.yaml`` says of a fusion and of the models that it is made of."""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self

from pydantic import ConfigDict, Field, FiniteFloat, model_validator

from clip_emotion.config import Config
from clip_emotion.models.captioning.config import CaptionerConfig
from clip_emotion.models.classifiers.config import ClassifierConfig
from clip_emotion.models.emotion_clip.trained_vocabulary import TrainedVocabulary, known_by
from clip_emotion.models.fusion.config import HeadConfig
from clip_emotion.vocabulary import Vocabulary

DESCRIPTION, WEIGHTS = "fusion.yaml", "fusion.safetensors"
IMAGE, HEAD = "image.", "head."
"""What the names of the network's weights, and of the trained part's, begin with."""

PartFolder = Annotated[str, Field(pattern=r"^part_[0-9]$")]
"""A folder within the fusion's: one from elsewhere must not reach outside itself."""


class PartCard(Config):
    """An encoder of a fusion: a ``folder`` beside the description, or a ``model`` that is found by its name."""

    folder: PartFolder | None = None
    model: str | None = None
    fingerprint: str

    @model_validator(mode="after")
    def _one_place(self) -> Self:
        if (self.folder is None) == (self.model is None):
            raise ValueError("a part has either a folder or a model's name")
        return self


class FusionCard(Config):
    """A fusion: its image feature, its captioner, the encoder that reads captions, its head, and what was measured.

    The image feature is an encoder's, ``image``, or a ``network``'s, whose weights are among the fusion's own.
    ``captioner`` is how captions of this captioner are marked in their file, and ``words`` the encoder of one that has
    an encoder.
    """

    # A metric that is not defined is NaN.
    model_config = ConfigDict(allow_inf_nan=True)

    format: Literal[1] = 1
    name: str
    vocabulary: TrainedVocabulary
    aliases: dict[str, tuple[str, ...]] = Field(default_factory=dict)
    head: HeadConfig
    sizes: tuple[int, int]
    temperature: FiniteFloat = Field(gt=0)
    image: PartCard | None = None
    network: ClassifierConfig | None = None
    captions: CaptionerConfig
    captioner: str
    words: PartCard | None = None
    text: PartCard
    metrics: dict[str, float] = Field(default_factory=dict)
    data: dict[str, str] = Field(default_factory=dict)
    trained_with: dict[str, Any] = Field(default_factory=dict)
    weights: str = ""

    @model_validator(mode="after")
    def _one_image_feature(self) -> Self:
        if (self.image is None) == (self.network is None):
            raise ValueError("a fusion has either an image encoder or a network")
        return self

    def classes(self) -> Vocabulary:
        """Return the classes, each recognised by the aliases that it had in training."""
        return known_by(self.vocabulary.vocabulary(), self.aliases)
