"""One model's answers to rows, and the metrics by which models that answered the same rows are set side by side."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from clip_emotion.arrays import FloatingArray, IntegerArray
from clip_emotion.evaluation.metrics import Metrics, classification_metrics, rank

Rate = Literal["accuracy", "macro_recall"]
RATES: tuple[Rate, ...] = ("accuracy", "macro_recall")
"""The metrics in which models are compared."""


@dataclass(frozen=True)
class Answers:
    """What one model answered, class numbers [N], and how well."""

    answers: IntegerArray
    metrics: Metrics

    @classmethod
    def of(cls, probabilities: FloatingArray, targets: IntegerArray, labels: Sequence[str], seed: int = 0) -> Answers:
        """Take each row's most probable class of probabilities [N, C] as the answer."""
        return cls(rank(probabilities, 1)[:, 0], classification_metrics(probabilities, targets, labels, seed=seed))

    def rate(self, rate: Rate) -> float:
        """Return one of the metrics by its name."""
        return float(getattr(self.metrics, rate))
