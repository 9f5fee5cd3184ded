"""What the training loop trains, and what it tells and returns."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

from torch import Tensor, nn


class Objective(Protocol):
    """What ``fit`` trains: a model, a loss that is a pure function of seed and step, and a validation.

    Because batch and augmentation follow from (seed, step) alone, a resumed run repeats an unbroken one to the bit.
    The further protocols here are optional: ``fit`` uses those that an objective has.
    """

    @property
    def model(self) -> nn.Module:
        """The model whose weights are trained."""
        ...

    def loss(self, step: int, progress: float) -> Tensor:
        """Return the loss of one batch; ``progress`` runs from 0 to 1 over the run.

        ``step`` counts batches: with gradient accumulation over n batches the k-th change of the weights takes those
        of k · n to k · n + n - 1.
        """
        ...

    def validate(self, model: nn.Module) -> dict[str, float]:
        """Return named figures of the averaged model on validation data."""
        ...


@runtime_checkable
class RatedObjective(Objective, Protocol):
    """An objective whose parameters do not all learn at the same rate, as when a pre-trained model is fine-tuned."""

    def rate(self, name: str) -> float:
        """Return the factor on the learning rate of the parameter with this name."""
        ...


@runtime_checkable
class PhasedObjective(Objective, Protocol):
    """An objective that trains some parameters in a part of the run only, as LP-FT does (2202.10054)."""

    def trainable(self, name: str, progress: float) -> bool:
        """Tell whether the parameter with this name is trained now; only those that require a gradient are asked for.

        A parameter that is not keeps its value and costs no gradient.
        """
        ...


@runtime_checkable
class CountingObjective(Objective, Protocol):
    """An objective that tells how many pictures a batch holds, so that pictures a second are shown."""

    @property
    def batch_size(self) -> int:
        """How many pictures one call of ``loss`` looks at."""
        ...


@runtime_checkable
class AnsweringObjective(Objective, Protocol):
    """An objective whose last batch also had right and wrong answers, so that training accuracy is shown."""

    @property
    def batch_accuracy(self) -> float | None:
        """The share of right answers in the batch that ``loss`` last looked at, or None where it has none."""
        ...


@dataclass(frozen=True)
class Progress:
    """What ``fit`` reports after a step.

    The smoothed loss and training accuracy (None where the objective tells none), steps and pictures a second in this
    sitting, and figures where it validated.
    """

    step: int
    steps: int
    loss: float
    rate: float
    figures: dict[str, float] | None = None
    images_per_second: float | None = None
    accuracy: float | None = None


Report = Callable[[Progress], None]
Settings = Mapping[str, Any]


@dataclass(frozen=True)
class RunResult:
    """The end of a run: the averaged model that was asked for, its validation figures, and the step of the best."""

    model: nn.Module
    figures: dict[str, float]
    seconds: float
    best_step: int | None = None
