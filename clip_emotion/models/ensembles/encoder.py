"""Several models behind the contract of one encoder, over one fixed vocabulary."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from PIL import Image
from scipy.special import softmax
from torch import Tensor

from clip_emotion.arrays import Float32Array, FloatArray
from clip_emotion.errors import ModelError, UsageError
from clip_emotion.models.base import ImageTextEncoder
from clip_emotion.models.classifiers.classes import FixedClasses
from clip_emotion.models.classifiers.sphere import RADIUS, on_sphere
from clip_emotion.models.ensembles.combining import METHODS, Method
from clip_emotion.models.fingerprint import fingerprint
from clip_emotion.models.label_embeddings import label_embeddings
from clip_emotion.models.side_by_side import SideBySide
from clip_emotion.vocabulary import Vocabulary

LEAST = 1e-9
"""What is added to each probability, so that its logarithm stays on the sphere; the order is kept."""


@dataclass(frozen=True)
class Member:
    """A model that answers over the vocabulary: by its words' embeddings ``labels`` [C, D], at its own logit scale.

    ``spec`` is what ``load_encoder`` made it of, ``language`` that of its words.
    """

    name: str
    spec: str
    encoder: ImageTextEncoder
    language: str
    labels: Float32Array

    @classmethod
    def asked(
        cls, spec: str, encoder: ImageTextEncoder, vocabulary: Vocabulary, language: str, name: str = ""
    ) -> Member:
        """Put the words to a model; raises UsageError where it has fixed classes that lack one of them."""
        labels = label_embeddings(encoder, vocabulary, language)
        if not np.isfinite(labels).all():
            raise ModelError(f"Model {spec} gives no finite embedding for some words: its weights are damaged.")
        return cls(name or spec, spec, encoder, language, labels)

    def probabilities(self, pixels: Tensor) -> FloatArray:
        """Return the probability of each word [N, C] for images [N, 3, H, W] as ``preprocess`` gives them."""
        # Either kind of encoder reads what it is given; in half precision the cosines are still taken in full.
        embeddings = torch.as_tensor(self.encoder.encode_images(pixels)).float().numpy()
        cosines = embeddings.astype(np.float64) @ self.labels.T
        answers: FloatArray = softmax(self.encoder.logit_scale * cosines, axis=1)
        return answers


class EnsembleEncoder(FixedClasses):
    """Members that answer as one; an embedding is the logarithm of their combined probabilities on the sphere.

    ``preprocess`` lays what each member's own preprocessing makes of an image one after the other, [3, K, 1] with K the
    sum of their numbers of pixels, so that every member sees exactly what it would see alone. Raises UsageError for
    fewer than two members, and for two that are the same model.
    """

    def __init__(
        self,
        name: str,
        vocabulary: Vocabulary,
        members: Sequence[Member],
        method: Method = "mean",
        weights: FloatArray | None = None,
    ) -> None:
        super().__init__(name, "an ensemble of fixed words", vocabulary, RADIUS)
        _check(members)
        self.members = tuple(members)
        self.method: Method = method
        self.weights = np.full(len(members), 1 / len(members)) if weights is None else weights
        self._sides = SideBySide([member.encoder.preprocess for member in members])
        self.fingerprint = f"ensemble-{self._hash(vocabulary)[:16]}"
        self.preprocess: Callable[[Image.Image], Tensor] = self._sides.preprocess

    def _hash(self, vocabulary: Vocabulary) -> str:
        asked = [[one.encoder.fingerprint, one.language, vocabulary.prompts(one.language)] for one in self.members]
        settings = {"method": self.method, "weights": self.weights.tolist(), "keys": vocabulary.keys, "members": asked}
        return fingerprint(settings, {})

    def pixels_of(self, pixels: Tensor) -> list[Tensor]:
        """Return the images of each member, [N, 3, H, W] as its own ``preprocess`` gives them, from [N, 3, K, 1]."""
        return self._sides.split(pixels)

    def member_probabilities(self, pixels: Tensor) -> FloatArray:
        """Return what each member says of images [N, 3, K, 1]: probabilities [M, N, C]."""
        parts = zip(self.members, self.pixels_of(pixels), strict=True)
        return np.stack([member.probabilities(own) for member, own in parts])

    def encode_images(self, pixels: Tensor) -> Tensor:
        """Embed pictures: [N, 3, K, 1] as ``preprocess`` gives them → [N, C + 1], L2-normalised, on the CPU."""
        combined = METHODS[self.method](self.member_probabilities(pixels), self.weights)
        return on_sphere(torch.from_numpy(np.log(combined + LEAST))).float()


def _check(members: Sequence[Member]) -> None:
    if len(members) < 2:
        raise UsageError("An ensemble has two members or more: name another model.")
    prints = [member.encoder.fingerprint for member in members]
    for place, member in enumerate(members):
        first = prints.index(prints[place])
        if first != place:
            raise UsageError(f"{members[first].name} and {member.name} are the same model: name each member once.")
