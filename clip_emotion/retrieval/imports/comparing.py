"""How far people agree with the model, and with each other, over the faces that both put into words."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any

from clip_emotion.evaluation.agreement import USUAL, Agreement, agreement
from clip_emotion.evaluation.bootstrap import Resampling
from clip_emotion.retrieval.exports.records import FaceLabels, LabelledImage

MOST_PEOPLE = 12
"""People who are compared in pairs, those who judged most."""


@dataclass(frozen=True)
class Pair:
    """Two people and how far they agree."""

    first: str
    second: str
    agreement: Agreement


@dataclass(frozen=True)
class Comparison:
    """Faces judged, people, faces on which they are divided, and agreements with the model and among people.

    ``model`` is None where no judged face has a word of the model.
    """

    faces: int
    people: int
    divided: int
    model: Agreement | None
    pairs: tuple[Pair, ...]

    def to_dict(self) -> dict[str, Any]:
        """Return the values as JSON-ready ones; ``first`` is people and ``second`` the model."""
        pairs = [
            {"first": pair.first, "second": pair.second, **pair.agreement.overall.to_dict()} for pair in self.pairs
        ]
        return {
            "faces": self.faces, "people": self.people, "divided": self.divided,
            "people_and_model": None if self.model is None else self.model.to_dict(), "between_people": pairs,
        }  # fmt: skip


def compare(images: Sequence[LabelledImage], resampling: Resampling = USUAL) -> Comparison:
    """Compare people's words with the model's and with each other; intervals redraw whole images."""
    judged = [(image.path, face) for image in images for face in image.faces if face.judgements]
    both = [
        (path, face.confirmed, face.predicted)
        for path, face in judged
        if face.confirmed is not None and face.predicted is not None
    ]
    model = None
    if both:
        paths, people, predicted = zip(*both, strict=True)
        model = agreement(people, predicted, paths, resampling)
    names = dict.fromkeys(one.by for _, face in judged for one in face.judgements)
    divided = sum(face.confirmed is None for _, face in judged)
    return Comparison(len(judged), len(names), divided, model, tuple(_pairs(judged, list(names), resampling)))


def _pairs(judged: Sequence[tuple[str, FaceLabels]], names: list[str], resampling: Resampling) -> list[Pair]:
    said = {name: {at: one.word for at, (_, face) in enumerate(judged) for one in face.judgements if one.by == name}
            for name in names}  # fmt: skip
    busiest = sorted(names, key=lambda name: -len(said[name]))[:MOST_PEOPLE]
    pairs = []
    for first, second in combinations([name for name in names if name in busiest], 2):
        shared = sorted(said[first].keys() & said[second].keys())
        if shared:
            words = [said[name][at] for name in (first, second) for at in shared]
            paths = [judged[at][0] for at in shared]
            found = agreement(words[: len(shared)], words[len(shared) :], paths, resampling)
            pairs.append(Pair(first, second, found))
    return pairs
