"""Sizes of the mini's towers, and what else ``mini.yaml`` says."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import Field, SerializerFunctionWrapHandler, model_serializer, model_validator

from clip_emotion.config import Config
from clip_emotion.files import write_atomic


class TextTowerConfig(Config):
    """Sizes of the text tower; ``token_width`` is the factorised embedding's inner width (ALBERT, 1909.11942)."""

    vocabulary_size: int = Field(16_000, ge=8)
    """Sub-words."""
    token_width: int = Field(128, ge=4)
    """The factorised embedding's inner width."""
    width: int = Field(256, ge=4)
    """Width of the tower."""
    layers: int = Field(2, ge=0)
    """Blocks."""
    kernel: Literal[1, 3, 5, 7] = 3
    """Sub-words that a block looks at."""
    max_tokens: int = Field(64, ge=4)
    """Sub-words that are read of a text."""
    dropout: float = Field(0.1, ge=0, lt=1)
    """Dropout in the tower."""
    dim: int = Field(256, ge=2)
    """The embedding's size."""


class ReadingConfig(Config):
    """Sizes of the transformer blocks that the message tower has beyond the text tower's own sizes."""

    layers: int = Field(2, ge=0)
    """Blocks."""
    heads: int = Field(4, ge=1)
    """Heads of attention, which share the width."""
    feed_forward: int = Field(512, ge=4)
    """Inner width of the feed-forward layers."""


LATER: dict[str, object] = {"convolutions": "residual", "enlarged": None, "second": None, "second_share": 0.5}
"""What the sizes of an image tower may say since its second edition, and what they mean where they do not."""


class ImageNetworkConfig(Config):
    """Sizes of one network for images: the stem's width, then each stage's width and number of blocks.

    Each stage halves the side of its features; with separable convolutions the stem does instead of the first stage.
    MobileNet (1704.04861) has a stem of 32, widths from 64 to 1,024 and 1, 2, 2, 6 and 2 blocks.
    """

    convolutions: Literal["residual", "separable"] = "residual"
    """Blocks of two 3×3 convolutions with a shortcut, or each a depthwise and a pointwise one."""
    enlarged: int | None = Field(None, ge=8)
    """Side in pixels to which the network itself enlarges smaller images; null leaves them."""
    stem: int = Field(32, ge=1)
    """Channels of the first layer."""
    widths: tuple[int, ...] = (64, 128, 256)
    """Channels of each stage."""
    blocks: tuple[int, ...] = (2, 2, 2)
    """Blocks of each stage."""
    dropout: float = Field(0.2, ge=0, lt=1)
    """Dropout before the embedding."""
    image_size: int = Field(48, ge=8)
    """Side of the images, in pixels."""
    dim: int = Field(256, ge=2)
    """The embedding's size."""

    @model_serializer(mode="wrap")
    def _as_before(self, whole: SerializerFunctionWrapHandler) -> dict[str, object]:
        # A checkpoint's fingerprint is over its sizes: those of an earlier release must stay the same to the letter.
        return {name: value for name, value in whole(self).items() if name not in LATER or value != LATER[name]}


class ImageTowerConfig(ImageNetworkConfig):
    """Sizes of the image tower: of one network, or of two that see the same images."""

    second: ImageNetworkConfig | None = None
    """Sizes of a second network, whose embeddings are as wide; null for none."""
    second_share: float = Field(0.5, gt=0, lt=1)
    """Share of the second network's embedding in the mean of the two."""

    @model_validator(mode="after")
    def _same_pictures(self) -> ImageTowerConfig:
        for name in ("dim", "image_size") if self.second is not None else ():
            if getattr(self.second, name) != getattr(self, name):
                raise ValueError(f"{name} of the second network is not that of the first")
        return self


WITHOUT_MESSAGES: Mapping[str, Any] = {"chat_logit_scale": None, "reading": None, "text_thresholds": {}}
"""What ``mini.yaml`` says where the tower for chat messages is left behind: its thresholds are not the text tower's."""


class MiniConfig(Config):
    """What ``mini.yaml`` says beside the weights: the towers' sizes, the scales, and where they were measured.

    ``chat_logit_scale`` is there when the mini has a tower for chat messages, which is the text tower's like, or with
    ``reading`` one that reads order besides. ``text_threshold`` is the probability from which a text carries a label,
    ``text_thresholds`` hold each label's own, by the vocabulary's name and the label's key, where they were fitted.
    """

    name: str = "mini"
    text: TextTowerConfig = Field(default_factory=TextTowerConfig)
    image: ImageTowerConfig = Field(default_factory=ImageTowerConfig)
    logit_scale: float = Field(default=20.0, gt=0)
    text_logit_scale: float = Field(default=20.0, gt=0)
    text_threshold: float = Field(default=0.06, gt=0, lt=1)
    text_thresholds: dict[str, dict[str, Annotated[float, Field(gt=0, lt=1)]]] = Field(default_factory=dict)
    chat_logit_scale: float | None = Field(default=None, gt=0)
    reading: ReadingConfig | None = None
    flip_average: bool = True
    languages: tuple[str, ...] = ("ko", "en")
    trained_with: dict[str, Any] = Field(default_factory=dict)

    def write(self, path: Path) -> None:
        """Write the configuration as YAML, atomically."""
        write_atomic(path, yaml.safe_dump(self.model_dump(mode="json"), allow_unicode=True, sort_keys=False))
