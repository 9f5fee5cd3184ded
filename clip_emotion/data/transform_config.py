"""Configuration of the random changes to training images."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator

from clip_emotion.config import Config

Range = tuple[float, float]


class TransformConfig(Config):
    """What may happen to a training picture, in the order in which it happens.

    ``rotate`` is in degrees to either side, ``translate`` a share of the side, ``scale`` a factor, ``crop`` the share
    of the area that stays and ``aspect`` its width over its height; ``flip``, ``grayscale`` and ``erase`` are
    probabilities; ``brightness``, ``contrast`` and ``saturation`` b mean a factor from 1 - b to 1 + b. ``padding`` is
    what shows beyond the picture's edge.
    """

    rotate: float = Field(10.0, ge=0, le=180)
    """Largest rotation, in degrees."""
    translate: float = Field(0.08, ge=0, le=1)
    """Largest shift, as a share of the side."""
    scale: Range = (0.9, 1.1)
    """Range of the factor on the size."""
    crop: Range = (1.0, 1.0)
    """Range of the share of the area that stays."""
    aspect: Range = (1.0, 1.0)
    """Range of the crop's width over its height."""
    flip: float = Field(0.5, ge=0, le=1)
    """Probability of a mirror image."""
    brightness: float = Field(0.2, ge=0, le=1)
    """Largest change of brightness."""
    contrast: float = Field(0.2, ge=0, le=1)
    """Largest change of contrast."""
    saturation: float = Field(0.0, ge=0, le=1)
    """Largest change of saturation."""
    grayscale: float = Field(0.0, ge=0, le=1)
    """Probability that colours go."""
    erase: float = Field(0.25, ge=0, le=1)
    """Probability that a rectangle is erased."""
    erase_area: Range = (0.02, 0.2)
    """Range of that rectangle's share of the area."""
    padding: Literal["reflection", "border", "zeros"] = "reflection"
    """What shows beyond the image's edge."""

    @model_validator(mode="after")
    def _ranges_are_right(self) -> TransformConfig:
        for name in ("scale", "crop", "aspect", "erase_area"):
            low, high = getattr(self, name)
            if not 0 < low <= high or (name in ("crop", "erase_area") and high > 1):
                raise ValueError(f"{name} must run from a low to a high positive number, shares up to 1")
        return self
