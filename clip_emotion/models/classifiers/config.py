"""What a classifier is made of."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

from pydantic import Field, field_validator

from clip_emotion.config import Config
from clip_emotion.skin import SkinMask


class ClassifierConfig(Config):
    """A network that timm knows by name, and how it is fitted to small faces.

    ``pretrained`` takes the weights that timm knows for the name, from the Hub or its cache, ``weights`` a file of
    them. ``small_faces`` gives the first convolution ``first_stride`` and takes the pooling after it away, so that
    faces of 48 pixels are not shrunk before they are looked at. ``skin_mask`` makes black what has not the colour of
    skin, which serves people unequally. ``arguments`` go to timm as they are. ``crop`` is the same in training and
    after it; a random one of training alone is ``transform.crop``.
    """

    architecture: str = "resnet18"
    """The network's name in timm."""
    image_size: int = Field(48, ge=16, le=1024)
    """Side of the images in pixels."""
    pretrained: bool = False
    """Start from the weights that timm knows for the name."""
    weights: Path | None = None
    """Start from this file of weights, safetensors; null without."""
    small_faces: bool = True
    """Shrink images less in the network's first layers."""
    first_stride: int = Field(1, ge=1, le=4)
    """Stride of the first convolution where small_faces holds."""
    crop: float = Field(1.0, ge=0.1, le=1)
    """Share of the area, in the middle of each image, that the network sees."""
    dropout: float = Field(0.0, ge=0, lt=1)
    """Dropout before the last layer, and after each of hidden."""
    hidden: tuple[int, ...] = ()
    """Widths of hidden layers between the features and the classes; none is one linear layer."""
    skin_mask: SkinMask = "none"
    """Make black what has not the colour of skin; hsv and ycrcb keep less of some people's faces."""
    arguments: dict[str, Any] = Field(default_factory=dict)
    """More of timm's arguments, such as channels."""

    @field_validator("hidden")
    @classmethod
    def _layers_have_units(cls, hidden: tuple[int, ...]) -> tuple[int, ...]:
        if any(width < 1 for width in hidden):
            raise ValueError("hidden layers have at least one unit each")
        return hidden

    @property
    def resized(self) -> int:
        """The shorter side to which an image is resized before the middle ``image_size`` pixels are cut out."""
        return round(self.image_size / math.sqrt(self.crop))
