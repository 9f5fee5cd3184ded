"""Configuration of the training loop."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator

from clip_emotion.config import Config


class EarlyStopConfig(Config):
    """Which validation figure says that a model is better, and how long to wait for a better one.

    The best model is kept in ``best.safetensors``. After ``patience`` validations in a row that were no better the
    run ends; None goes on to the last step.
    """

    metric: str
    mode: Literal["max", "min"] = "max"
    patience: int | None = Field(None, ge=1)

    def better(self, value: float, best: float | None) -> bool:
        """Tell whether a value beats the best so far; NaN never does."""
        if best is None:
            return value == value
        return value > best if self.mode == "max" else value < best


class FitConfig(Config):
    """How long and how fast to train.

    A step is one change of the weights, with the mean gradient of ``accumulate`` batches. ``ema`` is the decay of the
    averaged weights that are kept: those of the last step, or with ``keep: best`` those of the best validation.
    ``tensorboard`` writes curves for TensorBoard, ``learning_curve`` a picture of them, both into the run's folder.
    """

    steps: int = Field(ge=1)
    optimizer: Literal["adamw", "sgd"] = "adamw"
    learning_rate: float = Field(gt=0)
    weight_decay: float = Field(0.05, ge=0)
    warmup: float = Field(0.1, ge=0, lt=1)
    ema: float = Field(0.999, ge=0, lt=1)
    clip_norm: float = Field(0.0, ge=0)
    accumulate: int = Field(1, ge=1)
    precision: Literal["fp32", "bf16", "fp16"] = "bf16"
    evaluate_every: int = Field(500, ge=1)
    save_every: int = Field(500, ge=1)
    log_every: int = Field(50, ge=1)
    early_stop: EarlyStopConfig | None = None
    keep: Literal["last", "best"] = "last"
    tensorboard: bool = False
    learning_curve: bool = False
    seed: int = Field(0, ge=0)

    @model_validator(mode="after")
    def _best_is_named(self) -> FitConfig:
        if self.keep == "best" and self.early_stop is None:
            raise ValueError("keep: best needs early_stop.metric, the figure that says which model is best")
        return self
