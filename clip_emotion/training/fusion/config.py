"""Configuration of a fusion: where its features come from, how its head is trained, and the rows to compare."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any, Literal, Self

from pydantic import Field, model_validator

from clip_emotion.config import Config
from clip_emotion.dotted import flattened, put
from clip_emotion.files import expanded
from clip_emotion.models.captioning.config import CaptionerConfig
from clip_emotion.models.fusion.config import HeadConfig, ImageFeatureConfig, TimmFeatureConfig
from clip_emotion.training.classifier.config import ImbalanceConfig
from clip_emotion.training.finetune.config import ImagesConfig
from clip_emotion.training.loop.config import FitConfig


class TextFeatureConfig(Config):
    """The encoder that reads the captions."""

    model: str = "mini"
    """An image–text model, as --model takes it."""
    batch: int = Field(256, ge=1)
    """Captions a call."""


class HeadTrainingConfig(Config):
    """How a head is trained: its shape, batches, remedies and loop; the images kept for tuning validate it."""

    head: HeadConfig = Field(default_factory=HeadConfig)
    """The head."""
    seed: int = Field(0, ge=0)
    """Seed of weights and batches; each of the configuration's seeds in turn."""
    batch: int = Field(256, ge=2)
    """Rows a step."""
    sampler: Literal["balanced", "shuffled"] = "shuffled"
    """Batches balanced over the classes (rare ones come oftener), or shuffled."""
    by_source: bool = False
    """Balance over the sources of each class too."""
    mixup: float = Field(0.0, ge=0)
    """Parameter of mixup (1710.09412) of features; 0 mixes none."""
    label_smoothing: float = Field(0.1, ge=0, lt=1)
    """Label smoothing."""
    imbalance: ImbalanceConfig = Field(default_factory=ImbalanceConfig)
    """Remedies against skewed classes."""
    fit: FitConfig
    """The training loop."""


class FuseConfig(Config):
    """Configuration of ``clip-emotion fuse``.

    Each of ``rows`` is ``training`` with some of its settings changed, by dotted keys, and becomes a row of the table;
    without any, ``training`` itself is the one row.
    """

    out: Path = Path("runs/fuse")
    """The folder of the result: the fused model and its report."""
    cache: Path = Path("runs/fuse_cache")
    """Where image features are kept."""
    caption_file: Path = Path("runs/captions.jsonl")
    """Where captions are kept, a JSON line each."""
    device: str = "auto"
    """auto, cpu, cuda or mps."""
    data: ImagesConfig
    """The labelled images."""
    vocabulary: str = "basic7"
    """The vocabulary of the classes."""
    captions: CaptionerConfig
    """What captions the images."""
    image: ImageFeatureConfig
    """The image feature."""
    text: TextFeatureConfig = Field(default_factory=TextFeatureConfig)
    """The text feature."""
    training: HeadTrainingConfig
    """How a head is trained."""
    rows: dict[str, dict[str, Any]] = Field(default_factory=dict)
    """The rows of the table: a name, and the settings of training that it changes."""
    seeds: tuple[int, ...] = Field((0, 1, 2), min_length=1)
    """Every row is trained with each of these seeds."""

    @model_validator(mode="after")
    def _rows_are_right(self) -> Self:
        for name in self.rows:
            self.row(name)
        if len(set(self.seeds)) < len(self.seeds) or min(self.seeds) < 0:
            raise ValueError("seeds must be different numbers of at least 0")
        return self

    def row(self, name: str) -> HeadTrainingConfig:
        """Return the training of a row; raises ValueError (pydantic's) where it has a setting that cannot be."""
        values = copy.deepcopy(self.training.model_dump())
        for key, value in flattened(self.rows[name]).items():
            try:
                put(values, key, value)
            except KeyError as error:
                raise ValueError(f"rows.{name}: {error.args[0]} is a single value, not a group") from error
        try:
            return HeadTrainingConfig.model_validate(values)
        except ValueError as error:
            raise ValueError(f"rows.{name}: {' '.join(str(error).split())}") from error

    def trainings(self) -> dict[str, HeadTrainingConfig]:
        """Return every row's training by its name."""
        return {name: self.row(name) for name in self.rows} or {self.training.head.kind: self.training}

    def models(self) -> list[Path]:
        """Return the folders of models that are read, and those above them, none of which an output may replace."""
        image = self.image.network.weights if isinstance(self.image, TimmFeatureConfig) else self.image.model
        named = [image or "", self.captions.model, self.text.model]
        places = [place.resolve() for one in named if str(one) and (place := expanded(one)).exists()]
        return [above for place in places for above in (place, *place.parents)]
