"""What a fusion is worth: captions that name the emotion, and answers of both features against those of one."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from scipy.stats import binomtest

from clip_emotion.arrays import FloatingArray, IntegerArray
from clip_emotion.evaluation.answers import RATES, Answers, Rate
from clip_emotion.text import fold, has_hangul

INPUTS = ("text", "image", "both")


@dataclass(frozen=True)
class McNemar:
    """McNemar's exact test of two models on the same rows (Psychometrika 12, 1947).

    ``gained`` rows are right for the first model alone, ``lost`` for the second alone; ``p`` is the two-sided
    probability of such a difference, or a larger one, were both models as often right.
    """

    gained: int
    lost: int
    p: float


def mcnemar(ours: IntegerArray, theirs: IntegerArray, targets: IntegerArray) -> McNemar:
    """Compare two models' answers [N] with the truth [N]: binomial, over the rows that one of them alone has right."""
    right, others = ours == targets, theirs == targets
    gained, lost = int((right & ~others).sum()), int((others & ~right).sum())
    return McNemar(gained, lost, float(binomtest(gained, gained + lost).pvalue) if gained + lost else 1.0)


@dataclass(frozen=True)
class CaptionQuality:
    """How often a caption names the class of its image: at all, before any other class, and no class whatever.

    ``by_class`` is the share of each class's captions that name it.
    """

    named: float
    first: float
    nothing: float
    by_class: dict[str, float]


def caption_quality(
    captions: Sequence[str], targets: IntegerArray, aliases: Mapping[str, Sequence[str]]
) -> CaptionQuality:
    """Look for the classes' names in captions; ``targets`` [N] are places in ``aliases``.

    Names count in any case and as whole words; Hangul of two syllables or more counts with an ending too. A negation is
    not understood.
    """
    patterns = [_pattern(names) for names in aliases.values()]
    found = {caption: _places(caption, patterns) for caption in dict.fromkeys(captions)}
    places = np.array([found[caption] for caption in captions])
    own = places[np.arange(len(targets)), targets]
    named = np.isfinite(own)
    classes = {key: named[targets == place] for place, key in enumerate(aliases)}
    return CaptionQuality(
        float(named.mean()),
        float((named & (own == places.min(axis=1))).mean()),
        float((~np.isfinite(places).any(axis=1)).mean()),
        {key: float(own_class.mean()) if len(own_class) else float("nan") for key, own_class in classes.items()},
    )


def _pattern(names: Sequence[str]) -> re.Pattern[str]:
    parts = []
    for name in sorted({fold(name) for name in names}, key=len, reverse=True):
        ending = "" if has_hangul(name) and len(name) > 1 else r"(?!\w)"
        parts.append(rf"(?<!\w){re.escape(name)}{ending}")
    return re.compile("|".join(parts))


def _places(caption: str, patterns: Sequence[re.Pattern[str]]) -> list[float]:
    """Return where each class is named first in a caption; infinity where it is not."""
    text = fold(caption)
    return [float(found.start()) if (found := pattern.search(text)) else float("inf") for pattern in patterns]


@dataclass(frozen=True)
class FusionRow:
    """A row of the table: each seed's answers from text alone, image alone and both, by the same head."""

    name: str
    answers: Mapping[str, tuple[Answers, ...]]
    tests: tuple[McNemar, ...]
    seconds: float
    weights: int

    @classmethod
    def of(
        cls,
        name: str,
        probabilities: Mapping[str, Sequence[FloatingArray]],
        targets: IntegerArray,
        labels: Sequence[str],
        *,
        seconds: float = 0.0,
        weights: int = 0,
    ) -> FusionRow:
        """Measure probabilities [N, C] of every seed for each of ``INPUTS``; ``seconds`` are those of one training."""
        answers = {
            inputs: tuple(Answers.of(one, targets, labels) for one in probabilities[inputs]) for inputs in INPUTS
        }
        tests = tuple(
            mcnemar(both.answers, image.answers, targets)
            for both, image in zip(answers["both"], answers["image"], strict=True)
        )
        return cls(name, answers, tests, seconds, weights)

    def rates(self, inputs: str, rate: Rate) -> list[float]:
        """Return a rate of each seed."""
        return [answers.rate(rate) for answers in self.answers[inputs]]

    def mean(self, inputs: str, rate: Rate) -> float:
        """Return the mean of a rate over the seeds."""
        return float(np.mean(self.rates(inputs, rate)))

    def gain(self, rate: Rate) -> float:
        """Return how far both features lie above the image feature alone, on average over the seeds."""
        return self.mean("both", rate) - self.mean("image", rate)

    def f1(self, inputs: str) -> dict[str, float]:
        """Return each class's F1, on average over the seeds."""
        every = [answers.metrics.per_class for answers in self.answers[inputs]]
        return {key: float(np.mean([float(one[key].f1) for one in every])) for key in every[0]}

    def to_dict(self) -> dict[str, Any]:
        """Return the row as plain values."""
        return {
            "name": self.name,
            "weights": self.weights,
            "seconds": round(self.seconds, 1),
            **{
                inputs: {
                    **{rate: {"mean": self.mean(inputs, rate), "by_seed": self.rates(inputs, rate)} for rate in RATES},
                    "f1": self.f1(inputs),
                }
                for inputs in INPUTS
            },
            "gain": {rate: self.gain(rate) for rate in RATES},
            "mcnemar": [asdict(test) for test in self.tests],
        }
