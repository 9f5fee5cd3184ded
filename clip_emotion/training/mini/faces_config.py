"""Configuration of the mini's images: where they lie, and how they are changed at random."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field

from clip_emotion.config import Config
from clip_emotion.training.sources import RawSource


class FacesConfig(Config):
    """Where the raw image sets lie, how labels are softened by votes, and how often an epoch draws an image.

    ``vote_weight`` is the share of FER+'s votes in a target, used where at least ``least_votes`` of its ten voters
    named one of the eight emotions. One training image in ``tuning_share`` is kept out to fit the temperature, one
    muxspace image in ``held_out_share`` is never used here, and a muxspace class is drawn ``muxspace_cap`` times an
    epoch at most, an image of it ``muxspace_repeat`` times. ``repeat`` draws a class of FER-2013 more often than once.
    One of the remaining muxspace images in ``muxspace_tuning_share``, where it is set, is kept out to tune with.
    """

    folder: Path
    """The folder of the raw face sets."""
    prepared: Path = Path("runs/prepared")
    """Where prepared data sets are kept."""
    fer2013: str = "fer2013.zip"
    """FER-2013's file."""
    votes: str = "ferplus_votes.csv"
    """FER+'s table of votes."""
    muxspace: str = "muxspace96.zip"
    """muxspace's file."""
    vote_weight: float = Field(0.3, ge=0, le=1)
    """Share of the votes in a target."""
    least_votes: int = Field(5, ge=1)
    """Votes that must name a class for them to count."""
    tuning_share: int = Field(33, ge=2)
    """One training image in so many fits the temperature."""
    held_out_share: int = Field(5, ge=2)
    """One muxspace image in so many is never used."""
    muxspace_cap: int = Field(400, ge=0)
    """Times an epoch draws a muxspace class at most."""
    muxspace_repeat: float = Field(1.0, gt=0)
    """Times an epoch draws a muxspace image at most."""
    muxspace_tuning_share: int | None = Field(None, ge=2)
    """One remaining muxspace image in so many is kept out to tune with; null keeps none."""
    repeat: dict[str, float] = Field(default_factory=lambda: {"disgust": 2.0})
    """Times an epoch draws an image of a FER-2013 class."""

    def raw(self) -> dict[str, RawSource]:
        """Return the raw data sets by the names of their settings."""
        return {
            "fer2013": RawSource("fer2013", self.folder / self.fer2013, self.prepared, True),
            "votes": RawSource("ferplus", self.folder / self.votes, self.prepared),
            "muxspace": RawSource("muxspace", self.folder / self.muxspace, self.prepared, True),
        }


class AugmentConfig(Config):
    """Ranges of the random changes; ``side`` is the window's side in the source's pixels."""

    rotation: float = Field(12.0, ge=0)
    """Largest rotation, in degrees."""
    zoom: tuple[float, float] = (0.85, 1.1)
    """Range of the window's size."""
    stretch: float = Field(0.07, ge=0)
    """Largest change of the window's proportions."""
    shift: float = Field(0.1, ge=0)
    """Largest shift, as a share of the half side."""
    contrast: float = Field(0.2, ge=0)
    """Largest change of contrast."""
    erase_probability: float = Field(0.5, ge=0, le=1)
    """Probability that a rectangle is erased."""
    erase_side: tuple[float, float] = (0.1, 0.4)
    """Range of that rectangle's sides."""


class PhotographConfig(Config):
    """Ranges of the random changes, each made to its share of the images.

    ``gamma`` is the largest exponent, and its inverse the smallest; ``light`` the most that a slope of light adds to
    one side and takes from the other; ``blur`` the largest deviation of a Gaussian in pixels; ``sharpen`` the most of
    an unsharp mask; ``reduce`` the smallest factor a picture is scaled down and up again by; ``noise`` the largest
    deviation in grey levels; ``jpeg`` the range of qualities.
    """

    gamma: float = Field(1.8, ge=1)
    """Largest exponent of the tone curve; its inverse is the smallest."""
    light: float = Field(0.5, ge=0, lt=1)
    """Most that a slope of light adds to one side."""
    blur: float = Field(1.2, gt=0)
    """Largest deviation of the blur, in pixels."""
    sharpen: float = Field(1.5, ge=0)
    """Most of the unsharp mask."""
    reduce: float = Field(0.45, gt=0, le=1)
    """Smallest factor of scaling down and up again."""
    noise: float = Field(8.0, ge=0)
    """Largest deviation of the noise, in grey levels."""
    jpeg: tuple[int, int] = (30, 90)
    """Range of JPEG's quality."""
    light_share: float = Field(0.5, ge=0, le=1)
    """Share of the images that are relit."""
    blur_share: float = Field(0.3, ge=0, le=1)
    """Share that are blurred."""
    sharpen_share: float = Field(0.2, ge=0, le=1)
    """Share that are sharpened."""
    reduce_share: float = Field(0.2, ge=0, le=1)
    """Share that are scaled down and up."""
    noise_share: float = Field(0.2, ge=0, le=1)
    """Share that get noise."""
    jpeg_share: float = Field(0.2, ge=0, le=1)
    """Share that are compressed."""


class SmileConfig(Config):
    """Closed-lip smiles that are drawn on neutral faces; lengths are widths of the mouth."""

    share: float = Field(0.2, ge=0, le=1)
    """Share of the neutral faces that smile."""
    widen: tuple[float, float] = (0.05, 0.18)
    """Range by which each corner of the mouth moves outwards."""
    lift: tuple[float, float] = (0.1, 0.25)
    """Range by which it moves up."""
    spread: float = Field(0.35, gt=0)
    """Deviation of the Gaussian by which the skin around a corner follows."""
    belief: float = Field(0.8, ge=0, le=1)
    """Share of neutral's part of the target that goes to happy."""
    fall_share: float = Field(0.15, ge=0, le=1)
    """Share of the neutral faces whose corners move down, and which stay neutral."""
    fall: float = Field(0.12, ge=0)
    """Most that they move down."""
