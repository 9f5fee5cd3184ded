"""Configuration of an EmotionClip: its heads, its adapters, and what of it is trained."""

from __future__ import annotations

import re

from pydantic import Field, field_validator, model_validator

from clip_emotion.config import Config
from clip_emotion.models.logit_scale import LARGEST_SCALE

_LAST_BLOCKS = re.compile(r"last-(\d+)-blocks")


class HeadConfig(Config):
    """How deep a head is: ``width`` is the hidden layer's multiple of the features, ``dim`` the embedding's size.

    Without ``dim`` the embedding keeps the backbone's size. With ``depth`` 0 and a ``dim`` the head is a projection.
    """

    depth: int = Field(default=1, ge=0)
    """Residual blocks."""
    width: float = Field(default=2.0, gt=0)
    """The hidden layer's size, in sizes of the features."""
    dropout: float = Field(default=0.1, ge=0, lt=1)
    """Dropout in the blocks."""
    dim: int | None = Field(default=None, ge=2)
    """The embedding's size; null keeps the backbone's."""


class LoraSettings(Config):
    """Rank r, α and dropout of the adapters; ``targets`` are layers by their last names (c_fc), by default all.

    All are the linear and convolutional layers that come after a tower's first embedding, save those inside PyTorch's
    own multi-head attention and open_clip's attention pooling, which read the weights themselves and would pass an
    adapter by, and the text projection of open_clip's own towers, which may be no layer of another kind.
    """

    rank: int = Field(default=8, ge=1)
    """Rank of the adapters."""
    alpha: int = Field(default=16, ge=1)
    """α of the adapters, which are scaled by α / rank."""
    dropout: float = Field(default=0.0, ge=0, lt=1)
    """Dropout before the adapters."""
    targets: tuple[str, ...] | None = None
    """Layers by their last names; null takes all."""


class EmotionClipConfig(Config):
    """What is put on a backbone and what of it is trained.

    ``classes`` adds a linear classifier over the image embedding. ``train`` is ``heads`` (heads, classifier, scale),
    ``last-N-blocks`` (these and the last N blocks of each tower with its final norms and projections), ``all``, or
    ``lora`` (the heads, and adapters in the towers). ``logit_scale`` is what cosines are multiplied by at first;
    without it that is what the backbone came with.
    """

    image_head: HeadConfig | None = Field(default_factory=HeadConfig)
    """The head on the image side; null has none."""
    text_head: HeadConfig | None = None
    """The head on the text side; null has none."""
    classes: int | None = Field(default=None, ge=2)
    """Classes of a classifier over the image embedding; null has none."""
    train: str = "heads"
    """What is trained: heads, last-N-blocks, all or lora."""
    lora: LoraSettings = Field(default_factory=LoraSettings)
    """The adapters of train: lora."""
    logit_scale: float | None = Field(default=None, gt=0, le=LARGEST_SCALE)
    """What cosines are multiplied by at first; null takes the backbone's."""
    learn_logit_scale: bool = True
    """Whether that is trained."""

    @field_validator("train")
    @classmethod
    def _known(cls, mode: str) -> str:
        last_blocks(mode)
        return mode

    @model_validator(mode="after")
    def _one_size(self) -> EmotionClipConfig:
        sizes = {head.dim if head else None for head in (self.image_head, self.text_head)}
        if len(sizes) > 1:
            raise ValueError(
                "image_head.dim and text_head.dim must be the same, for pictures and texts share one space "
                "(a head of depth 0 is a projection alone)"
            )
        return self


def last_blocks(mode: str) -> int | None:
    """Return how many blocks of each tower a mode of training opens: None stands for all, embeddings included.

    Raises ValueError for an unknown mode.
    """
    fixed = {"heads": 0, "lora": 0, "all": None}
    if mode in fixed:
        return fixed[mode]
    matched = _LAST_BLOCKS.fullmatch(mode)
    if not matched or int(matched[1]) < 1:
        raise ValueError(f"Unknown training mode '{mode}': choose heads, last-N-blocks (last-2-blocks), all or lora.")
    return int(matched[1])
