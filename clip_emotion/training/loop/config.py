"""Configuration of the training loop."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator

from clip_emotion.config import Config


class EarlyStopConfig(Config):
    """Which validation metric says that a model is better, and how long to wait for a better one.

    The best model is kept in ``best.safetensors``. After ``patience`` validations in a row that were no better the
    run ends; None goes on to the last step.
    """

    metric: str
    """The validation metric that says which model is better."""
    mode: Literal["max", "min"] = "max"
    """Whether more or less of the metric is better."""
    patience: int | None = Field(None, ge=1)
    """Validations in a row without a better one after which the run ends; null goes on to the last step."""

    def better(self, value: float, best: float | None) -> bool:
        """Tell whether a value beats the best so far; NaN never does."""
        if best is None:
            return value == value
        return value > best if self.mode == "max" else value < best


class FitConfig(Config):
    """How long and how fast to train.

    A step is one change of the weights, with the mean gradient of ``accumulate`` batches. ``ema`` is the decay of the
    averaged weights; ``select`` names those that become the result, of the last step or of the best validation.
    ``tensorboard`` writes curves for TensorBoard, ``learning_curve`` a plot of them, both into the run's folder.
    """

    steps: int = Field(ge=1)
    """Changes of the weights."""
    optimizer: Literal["adamw", "sgd"] = "adamw"
    """AdamW, or SGD with Nesterov momentum 0.9."""
    learning_rate: float = Field(gt=0)
    """The highest learning rate, at the end of the warm-up."""
    weight_decay: float = Field(0.05, ge=0)
    """Weight decay on matrices."""
    warmup: float = Field(0.1, ge=0, lt=1)
    """Share of the run in which the learning rate rises."""
    ema: float = Field(0.999, ge=0, lt=1)
    """Decay of the averaged weights, which validate and become the result."""
    clip_norm: float = Field(0.0, ge=0)
    """Norm to which gradients are clipped; 0 does not clip."""
    accumulate: int = Field(1, ge=1)
    """Batches whose mean gradient makes a step."""
    precision: Literal["fp32", "bf16", "fp16"] = "bf16"
    """Precision of the forward pass."""
    evaluate_every: int = Field(500, ge=1)
    """Steps between validations."""
    save_every: int = Field(500, ge=1)
    """Steps between checkpoints."""
    log_every: int = Field(50, ge=1)
    """Steps between lines of progress."""
    early_stop: EarlyStopConfig | None = None
    """Stop by a validation metric; null does not."""
    select: Literal["last", "best"] = "last"
    """Which weights become the result: the last, or the best by early_stop."""
    tensorboard: bool = False
    """Write curves for TensorBoard."""
    learning_curve: bool = False
    """Draw learning_curve.png."""
    seed: int = Field(0, ge=0)
    """Seed of dropout."""

    @model_validator(mode="after")
    def _best_is_named(self) -> FitConfig:
        if self.select == "best" and self.early_stop is None:
            raise ValueError("select: best needs early_stop.metric, the metric that says which model is best")
        return self
