"""What the training loop trains, and what it tells and returns."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar, runtime_checkable

from torch import Tensor, nn

from clip_emotion.evaluation.measurement import Measurements

ModelT = TypeVar("ModelT", bound=nn.Module)


class Objective(Protocol[ModelT]):
    """What ``fit`` trains: a model, a loss that is a pure function of seed and step, and a validation.

    Because batch and augmentation follow from (seed, step) alone, a resumed run repeats an unbroken one to the bit.
    The further protocols here are optional: ``fit`` uses those that an objective has.
    """

    @property
    def model(self) -> ModelT:
        """The model whose weights are trained."""
        ...

    def loss(self, step: int, progress: float) -> Tensor:
        """Return the loss of one batch; ``progress`` runs from 0 to 1 over the run.

        ``step`` counts batches: with gradient accumulation over n batches the k-th change of the weights takes those
        of k · n to k · n + n - 1.
        """
        ...

    def validate(self, model: ModelT) -> Measurements:
        """Return what the averaged model reaches on validation data."""
        ...


@runtime_checkable
class ScaledObjective(Protocol):
    """An objective whose parameters do not all learn at the same rate, as when a pre-trained model is fine-tuned."""

    def lr_scale(self, name: str) -> float:
        """Return the factor on the learning rate of the parameter with this name."""
        ...


@runtime_checkable
class PhasedObjective(Protocol):
    """An objective that trains some parameters in a part of the run only, as LP-FT does (2202.10054)."""

    def trainable(self, name: str, progress: float) -> bool:
        """Tell whether the parameter with this name is trained now; only those that require a gradient are asked for.

        A parameter that is not keeps its value and costs no gradient.
        """
        ...


@runtime_checkable
class CountingObjective(Protocol):
    """An objective that tells how many images a batch holds, so that images a second are shown."""

    @property
    def batch_size(self) -> int:
        """How many images one call of ``loss`` looks at."""
        ...


@runtime_checkable
class AccuracyObjective(Protocol):
    """An objective whose last batch also had right and wrong answers, so that training accuracy is shown."""

    @property
    def batch_accuracy(self) -> float | None:
        """The share of right answers in the batch that ``loss`` last looked at, or None where it has none."""
        ...


@dataclass(frozen=True)
class Progress:
    """What ``fit`` reports after a step, and before the first one.

    The smoothed loss (NaN before the first step) and training accuracy (None where the objective tells none), steps
    and images a second in this sitting without the time of validations, and metrics where it validated.
    """

    step: int
    steps: int
    loss: float
    steps_per_second: float
    metrics: Measurements | None = None
    images_per_second: float | None = None
    accuracy: float | None = None


ProgressCallback = Callable[[Progress], None]


@dataclass(frozen=True)
class RunResult(Generic[ModelT]):
    """The end of a run: the averaged model that was asked for, its validation metrics, and where it stopped.

    ``best_step`` is the step of the best validation where one was looked for; ``notes`` say in sentences which step's
    model this is, and why the run ended where it did.
    """

    model: ModelT
    metrics: Measurements
    seconds: float
    best_step: int | None = None
    notes: tuple[str, ...] = ()
