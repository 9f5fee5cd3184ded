"""Configuration of fine-tuning KoBERT on KOTE."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import Field

from clip_emotion.config import Config
from clip_emotion.models.kobert.config import HUB_NAME, KobertHeadConfig
from clip_emotion.training.loop.config import FitConfig
from clip_emotion.training.sources import RawSource


class KoteConfig(Config):
    """Where KOTE lies, and which rows are kept out of training.

    The last ``kote_validation`` rows of ``kote`` validate, the ``kote_tuning`` rows before them tune the threshold, as
    for the mini; all others train. ``more`` names further KOTE tables that train as a whole, such as the published
    ``train.tsv``, less the comments that stand among the rows kept out.
    """

    folder: Path
    """The folder of KOTE."""
    prepared: Path = Path("runs/prepared")
    """Where prepared data sets are kept."""
    kote: str = "kote.tsv.gz"
    """KOTE's file with the rows kept out."""
    more: tuple[str, ...] = ()
    """Further KOTE tables that train."""
    kote_validation: int = Field(1000, ge=1)
    """Rows at the end that validate."""
    kote_tuning: int = Field(300, ge=1)
    """Rows before them that tune the threshold."""

    def raw(self) -> tuple[RawSource, ...]:
        """Return the raw data sets, the one with the rows kept out first."""
        return tuple(RawSource("kote", self.folder / file, self.prepared) for file in (self.kote, *self.more))


class LrScaleConfig(Config):
    """How fast the parts learn, as factors on ``fit.learning_rate``, which is that of BERT's last layer.

    The head learns ``head`` times as fast, each layer ``layer_decay`` times as fast as the one above it, and the
    embeddings as one more layer below (ULMFiT's discriminative fine-tuning, 1801.06146; 1905.05583).
    """

    head: float = Field(10.0, gt=0)
    """Factor of the head."""
    layer_decay: float = Field(0.95, gt=0, le=1)
    """Factor from a layer to the one below it."""


class KoteLossConfig(Config):
    """Binary cross-entropy over the labels.

    ``smoothing`` ε turns targets y into y · (1 - ε) + ε / 2. A label's positive rows count
    (negatives / positives)^``positive_power`` times, within 1/20 and 20: 0 counts all alike, 1 balances each label.
    """

    smoothing: float = Field(0.0, ge=0, lt=1)
    """Label smoothing."""
    positive_power: float = Field(0.0, ge=0, le=1)
    """How far a label's rare positives are weighed up, 0 to 1."""


class KobertKoteConfig(Config):
    """Configuration of the stage: ``backbone`` is KoBERT's Hub name, or a folder that holds it."""

    kind: Literal["kobert_kote"]
    """The kind of training."""
    seed: int = 0
    """Seed of weights, batches and dropout."""
    backbone: str = HUB_NAME
    """KoBERT's Hub name, or a folder that holds it."""
    device: str = "auto"
    """auto, cpu, cuda or mps."""
    sources: KoteConfig
    """Where KOTE lies."""
    out: Path = Path("runs/kobert_kote")
    """The run's folder."""
    head: KobertHeadConfig = Field(default_factory=KobertHeadConfig)
    """The head on KoBERT."""
    batch: int = Field(32, ge=1)
    """Comments a step."""
    lr_scale: LrScaleConfig = Field(default_factory=LrScaleConfig)
    """How fast the parts learn, as factors on fit.learning_rate."""
    loss: KoteLossConfig = Field(default_factory=KoteLossConfig)
    """The loss."""
    fit: FitConfig
    """The training loop."""
