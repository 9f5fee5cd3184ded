"""What a fusion is made of: where the image feature and the text feature come from, and the head that joins them."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field

from clip_emotion.config import Config
from clip_emotion.models.classifiers.config import ClassifierConfig

HeadName = Literal["mlp", "attention_gate", "self_attention", "cross_attention", "gated_late"]
Inputs = Literal["both", "image", "text"]


class EncoderFeatureConfig(Config):
    """The embedding of an encoder."""

    kind: Literal["encoder"]
    """The kind of image feature."""
    model: str = "mini"
    """An encoder, as --model takes it."""
    batch: int = Field(64, ge=1)
    """Images a call."""


class ClassifierFeatureConfig(Config):
    """What a trained classifier's last layer reads: the fine-tuned CNN of the origins."""

    kind: Literal["classifier"]
    """The kind of image feature."""
    model: Path
    """The folder of a trained classifier."""
    batch: int = Field(64, ge=1)
    """Images a call."""


class TimmFeatureConfig(Config):
    """What the last layer of a timm network reads, frozen as its weights come."""

    kind: Literal["timm"]
    """The kind of image feature."""
    network: ClassifierConfig
    """The network; pretrained or weights say where its weights come from."""
    batch: int = Field(64, ge=1)
    """Images a call."""


ImageFeatureConfig = Annotated[
    EncoderFeatureConfig | ClassifierFeatureConfig | TimmFeatureConfig, Field(discriminator="kind")
]


class HeadConfig(Config):
    """The head that reads an image feature and a text feature.

    ``inputs`` puts the mean in place of the feature that is left out, so that a head of one feature has the same
    weights to train as a head of both.
    """

    kind: HeadName = "mlp"
    """The head."""
    inputs: Inputs = "both"
    """Which features are read."""
    width: int = Field(256, ge=4, le=8192)
    """Width of the hidden layer, or of a token."""
    tokens: int = Field(4, ge=1, le=64)
    """Tokens that each feature becomes before attention."""
    attention_heads: int = Field(4, ge=1, le=64)
    """Heads of the attention."""
    dropout: float = Field(0.3, ge=0, lt=1)
    """Dropout in the head."""
