"""Settings of a conversation's score, as they stand in ``configs/score/*.yaml``."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, model_validator

from clip_emotion.config import Config, load_config
from clip_emotion.evaluation.bootstrap import Resampling

logger = logging.getLogger(__name__)

RECENCY_KINDS = ("linear", "uniform", "exponential", "peak-end")


class RecencyConfig(Config):
    """How much more a late turn counts than an early one.

    ``half_life`` is for ``exponential`` alone: in turns, or in minutes where ``unit`` says so and turns carry times.
    """

    kind: Literal["linear", "uniform", "exponential", "peak-end"] = "linear"
    half_life: float = Field(10.0, gt=0)
    unit: Literal["turns", "minutes"] = "turns"

    @property
    def words(self) -> str:
        """The recency as a person reads it: its kind, and for ``exponential`` the half-life."""
        if self.kind != "exponential":
            return self.kind
        unit = self.unit.removesuffix("s") if self.half_life == 1 else self.unit
        return f"{self.kind} (half-life {self.half_life:g} {unit})"

    @property
    def half_life_words(self) -> str:
        """The half-life as ``--half-life`` takes it: ``10``, ``30m``, ``2h``, ``1d``."""
        if self.unit == "turns":
            return f"{self.half_life:g}"
        minutes, unit = next((each for each in ((1440, "d"), (60, "h")) if self.half_life % each[0] == 0), (1, "m"))
        return f"{self.half_life / minutes:g}{unit}"


class FusionConfig(Config):
    """How a turn's text and image are fused: p ∝ p_text^(1 - image) · p_image^image."""

    image: float = Field(0.5, ge=0, le=1)

    @model_validator(mode="before")
    @classmethod
    def _renamed(cls, values: Any) -> Any:
        """Read the name of releases up to 0.1 as well."""
        if not (isinstance(values, Mapping) and "picture" in values and "image" not in values):
            return values
        logger.warning(
            "The setting fusion.picture is now called fusion.image: the old name is read until the next release."
        )
        return {("image" if key == "picture" else key): value for key, value in values.items()}


class WeightsConfig(Config):
    """How warm each label is: similarity to the anchors less similarity to the aversion anchors, then overrides.

    ``judged`` gives labels that a vocabulary's file has a weight for that one; where it is not said, whoever names an
    embedder, anchors or aversion asks for cosines, as in releases up to 0.1. ``aversion`` may be empty. ``overrides``
    sets single labels' weights, by key or name, in [-1, 1].
    """

    judged: bool = True
    embedder: str = "mini"
    anchors: tuple[str, ...] = Field(("설렘", "관심", "호감", "사랑"), min_length=1)
    aversion: tuple[str, ...] = ("미움", "증오", "혐오", "무시")
    overrides: dict[str, float] = Field(default_factory=dict)

    @model_validator(mode="before")
    @classmethod
    def _cosines_where_asked(cls, values: Any) -> Any:
        if isinstance(values, Mapping) and "judged" not in values and {"embedder", "anchors", "aversion"} & set(values):
            return {**values, "judged": False}
        return values


class ShiftConfig(Config):
    """How mood shifts are looked for: each costs ``penalty`` · noise variance · log T, ``minimum`` turns apart."""

    penalty: float = Field(3.0, gt=0)
    minimum: int = Field(4, ge=2)


class BootstrapConfig(Config):
    """The 95 % interval: ``resamples`` circular block resamples of the turns, from one seed."""

    resamples: int = Field(1000, ge=100)
    seed: int = 0

    @property
    def resampling(self) -> Resampling:
        """The same as a call of ``clip_emotion.evaluation.bootstrap`` takes it."""
        return Resampling(self.resamples, self.seed)


class ClarityConfig(Config):
    """How sure a turn's strongest emotion has to be to be named; a turn below is shown as unclear.

    Its odds p / (1 - p) must be at least ``margin`` times those of a label drawn at random, 1 / (L - 1) of L labels.
    """

    margin: float = Field(3.5, ge=0)

    def is_clear(self, probability: float, labels: int) -> bool:
        """Tell whether the strongest of so many labels, with this probability, may be named."""
        return probability >= self.margin / (self.margin + labels - 1) if labels > 1 else True


class EverydayRange(Config):
    """Mean and standard deviation of the turn scores of neutral chat, in [-1, 1]."""

    mean: float = Field(ge=-1, le=1)
    spread: float = Field(gt=0, le=1)

    @property
    def low(self) -> float:
        """The lower end, mean less spread, not below -1."""
        return max(-1.0, self.mean - self.spread)

    @property
    def high(self) -> float:
        """The upper end, mean and spread, not above 1."""
        return min(1.0, self.mean + self.spread)


class ScoreConfig(Config):
    """Everything that decides a score, beside the emotions themselves."""

    vocabulary: str = "kote44"
    recency: RecencyConfig = Field(default_factory=RecencyConfig)
    fusion: FusionConfig = Field(default_factory=FusionConfig)
    weights: WeightsConfig = Field(default_factory=WeightsConfig)
    shifts: ShiftConfig = Field(default_factory=ShiftConfig)
    bootstrap: BootstrapConfig = Field(default_factory=BootstrapConfig)
    clarity: ClarityConfig = Field(default_factory=ClarityConfig)
    everyday: EverydayRange | None = None
    """The range that scores are read against; without one, the range measured with the same settings, if any."""


def load_settings(path: Path | None, embedder: str | None = None) -> ScoreConfig:
    """Return the settings in a YAML file, or the defaults, with another embedder where one is named.

    The one that is named weighs every label, judged ones too. Raises UsageError that lists every fault of the file.
    """
    settings = ScoreConfig() if path is None else load_config(ScoreConfig, path)
    if embedder is None:
        return settings
    weights = settings.weights.model_copy(update={"embedder": embedder, "judged": False})
    return settings.model_copy(update={"weights": weights})
