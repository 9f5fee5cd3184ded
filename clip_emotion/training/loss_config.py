"""Configuration of the losses between embeddings."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator

from clip_emotion.config import Config

ClassWeighting = Literal["none", "inverse", "effective"]


class LossConfig(Config):
    """How much each part of the loss counts, and the settings of the parts.

    ``contrast`` weighs pictures against texts (``multi_positive_contrast``), ``classify`` the classifier's
    cross-entropy, ``supcon`` pictures against pictures. ``class_weights`` and ``label_smoothing`` are those of
    ``classify`` (``label_smoothing`` also blurs the targets of ``contrast`` where the objective says so); ``beta`` is
    that of the effective number of samples, ``temperature`` that of ``supcon``.
    """

    contrast: float = Field(1.0, ge=0)
    """Weight of images against prompts."""
    classify: float = Field(0.0, ge=0)
    """Weight of the classifier's cross-entropy."""
    supcon: float = Field(0.0, ge=0)
    """Weight of images against images."""
    label_smoothing: float = Field(0.0, ge=0, lt=1)
    """Label smoothing of classify and contrast."""
    class_weights: ClassWeighting = "none"
    """How classes are weighed in classify."""
    beta: float = Field(0.999, ge=0, lt=1)
    """β of the effective number of samples."""
    temperature: float = Field(0.1, gt=0)
    """Temperature of supcon."""

    @model_validator(mode="after")
    def _some_part_counts(self) -> LossConfig:
        if not self.weights():
            raise ValueError("one of contrast, classify and supcon must be above 0")
        return self

    def weights(self) -> dict[str, float]:
        """Return the weight of each part that counts."""
        every = {"contrast": self.contrast, "classify": self.classify, "supcon": self.supcon}
        return {name: weight for name, weight in every.items() if weight}
