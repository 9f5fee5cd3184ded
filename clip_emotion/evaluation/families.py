"""Agreement by family: does an unseen word belong to the same basic emotion as the true class?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from clip_emotion.arrays import BoolArray, FloatingArray, IntegerArray
from clip_emotion.errors import UsageError
from clip_emotion.evaluation.metrics import TOP, rank


@dataclass(frozen=True, slots=True)
class ClassFamily:
    """One true class: how often its family was hit, at what chance, and the words chosen most (name, share of rows)."""

    hit1: float
    precision5: float
    chance: float
    family: tuple[str, ...]
    support: int
    chosen: tuple[tuple[str, float], ...]


@dataclass(frozen=True)
class FamilyMetrics:
    """Family agreement averaged over the true classes; ``left_out`` names the classes that no word's family holds.

    A word drawn at random is as likely to hit at rank 1 as at any of the five, so that both chance lines are the share
    of words in the class's family, averaged over the classes.
    """

    n: int
    hit1: float
    precision5: float
    chance: float
    per_class: dict[str, ClassFamily]
    left_out: tuple[str, ...]

    def to_dict(self) -> dict[str, Any]:
        """Return the metrics as JSON-ready values under their published keys."""
        return {
            "family_hit1": self.hit1,
            "family_precision5": self.precision5,
            "chance_family_hit1": self.chance,
            "chance_family_precision5": self.chance,
            "families_left_out": list(self.left_out),
            "per_class_family": {
                name: {
                    "hit1": one.hit1,
                    "precision5": one.precision5,
                    "chance": one.chance,
                    "support": one.support,
                    "family": list(one.family),
                    "chosen": dict(one.chosen),
                }
                for name, one in self.per_class.items()
            },
        }


def family_metrics(
    probabilities: FloatingArray,
    targets: Sequence[str],
    words: Sequence[str],
    families: Sequence[Sequence[str]],
) -> FamilyMetrics:
    """Score probabilities [N, C] over words against true classes that are not among the words.

    ``targets`` [N] are true classes, ``families[c]`` the classes that word c belongs to. For each class with a family,
    hit1 is the share of its rows whose best word belongs to the family and precision5 the mean share of the best five
    that do; both are then averaged over the classes. Raises UsageError where shapes disagree or no class has a family.
    """
    if probabilities.shape != (len(targets), len(words)) or len(families) != len(words):
        raise UsageError(
            f"Expected probabilities of shape ({len(targets)}, {len(words)}) and as many families as words, "
            f"got {probabilities.shape} and {len(families)}."
        )
    order = rank(probabilities)
    true = np.asarray(targets, dtype=object)
    per_class: dict[str, ClassFamily] = {}
    left_out: list[str] = []
    for name in sorted(set(targets)):
        members = np.array([name in own for own in families], dtype=np.bool_)
        if members.any():
            per_class[name] = _class_family(order[true == name], members, words)
        else:
            left_out.append(name)
    if not per_class:
        raise UsageError(f"No word of the vocabulary has a family among {', '.join(left_out)}: leave out --families.")
    return FamilyMetrics(
        n=len(targets),
        hit1=float(np.mean([one.hit1 for one in per_class.values()])),
        precision5=float(np.mean([one.precision5 for one in per_class.values()])),
        chance=float(np.mean([one.chance for one in per_class.values()])),
        per_class=per_class,
        left_out=tuple(left_out),
    )


def _class_family(order: IntegerArray, members: BoolArray, words: Sequence[str]) -> ClassFamily:
    counts = np.bincount(order[:, 0], minlength=len(words))
    most = [int(word) for word in np.argsort(-counts, kind="stable")[:TOP] if counts[word]]
    return ClassFamily(
        hit1=float(members[order[:, 0]].mean()),
        precision5=float(members[order].mean()),
        chance=float(members.mean()),
        family=tuple(word for word, member in zip(words, members, strict=True) if member),
        support=len(order),
        chosen=tuple((words[word], float(counts[word] / len(order))) for word in most),
    )
