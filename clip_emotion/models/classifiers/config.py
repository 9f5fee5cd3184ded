"""What a classifier is made of."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pydantic import Field

from clip_emotion.config import Config
from clip_emotion.skin import SkinMask


class ClassifierConfig(Config):
    """A network that timm knows by name, and how it is fitted to small faces.

    ``pretrained`` takes the weights that timm knows for the name, from the Hub or its cache, ``weights`` a file of
    them. ``small_faces`` gives the first convolution ``first_stride`` and takes the pooling after it away, so that
    faces of 48 pixels are not shrunk before they are looked at. ``skin_mask`` makes black what has not the colour of
    skin, which serves people unequally. ``arguments`` go to timm as they are.
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
    dropout: float = Field(0.0, ge=0, lt=1)
    """Dropout before the last layer."""
    skin_mask: SkinMask = "none"
    """Make black what has not the colour of skin; hsv and ycrcb keep less of some people's faces."""
    arguments: dict[str, Any] = Field(default_factory=dict)
    """More of timm's arguments, such as channels."""
