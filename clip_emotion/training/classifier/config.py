"""Configuration of a classifier's training: a network, the images, and the remedies against skewed classes."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field

from clip_emotion.config import Config
from clip_emotion.data.transform_config import TransformConfig
from clip_emotion.models.classifiers.config import ClassifierConfig
from clip_emotion.training.finetune.config import ImagesConfig
from clip_emotion.training.loop.config import FitConfig
from clip_emotion.training.loss_config import ClassWeighting


class ImbalanceConfig(Config):
    """Remedies against classes of very different size; none by default.

    ``class_weights`` weigh the loss, ``logit_adjustment`` τ adds τ · log prior to the logits in training (2007.07314),
    ``focal`` γ multiplies each term by (1 - p)^γ (1708.02002). Oversampling is ``sampler: balanced``.
    """

    class_weights: ClassWeighting = "none"
    """How classes are weighed."""
    beta: float = Field(0.999, ge=0, lt=1)
    """β of the effective number of samples."""
    logit_adjustment: float = Field(0.0, ge=0)
    """τ of logit adjustment; 0 adjusts nothing."""
    focal: float = Field(0.0, ge=0)
    """γ of the focal loss; 0 is cross-entropy."""


class ClassifierRunConfig(Config):
    """Configuration of a classifier's training.

    ``start`` goes on from the weights of a trained classifier, and ``head_only`` trains the last layer alone.
    """

    kind: Literal["classifier"]
    """The kind of training."""
    seed: int = Field(0, ge=0)
    """Seed of weights, batches and draws."""
    device: str = "auto"
    """auto, cpu, cuda or mps."""
    out: Path = Path("runs/classifier")
    """The run's folder."""
    model: ClassifierConfig = Field(default_factory=ClassifierConfig)
    """The network."""
    start: Path | None = None
    """The folder of a trained classifier to go on from; null starts anew."""
    head_only: bool = False
    """Train the last layer alone."""
    data: ImagesConfig
    """The labelled images."""
    vocabulary: str = "basic7"
    """The vocabulary of the classes."""
    batch: int = Field(128, ge=2)
    """Images a step."""
    sampler: Literal["balanced", "shuffled"] = "shuffled"
    """Batches balanced over the classes (rare ones come oftener), or shuffled."""
    by_source: bool = False
    """Balance over the sources of each class too."""
    transform: TransformConfig | None = Field(default_factory=TransformConfig)
    """Random changes of the training images; null leaves them."""
    mixup: float = Field(0.0, ge=0)
    """Parameter of mixup (1710.09412); 0 mixes none."""
    label_smoothing: float = Field(0.1, ge=0, lt=1)
    """Label smoothing."""
    imbalance: ImbalanceConfig = Field(default_factory=ImbalanceConfig)
    """Remedies against skewed classes."""
    weights: dict[str, Annotated[float, Field(gt=0)]] = Field(default_factory=dict)
    """Weights of single classes in the loss, times those of imbalance; of classes that are not named, 1."""
    cache: Literal["memory", "none"] = "memory"
    """Keep decoded images in memory, or decode them each time."""
    workers: int = Field(1, ge=1)
    """Threads that make batches ahead."""
    fit: FitConfig
    """The training loop."""
