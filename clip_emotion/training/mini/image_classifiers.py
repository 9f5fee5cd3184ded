"""Classifiers as teachers of an image tower: they are asked of the faces of every step, as these are changed."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor

from clip_emotion.models.classifiers.checkpoint import load_classifier
from clip_emotion.models.classifiers.sphere import RADIUS
from clip_emotion.vocabulary import Vocabulary

GREY, CONTRAST = 0.5, 0.25
"""Mean and deviation that a standardised face gets before a classifier sees it; about those of FER-2013."""


class Classifiers:
    """Trained classifiers that answer on the very faces that the tower sees (Beyer et al., 2106.05237).

    Raises ModelError where a folder holds no classifier, UsageError where one knows a class that the tower does not.
    """

    def __init__(self, folders: Sequence[Path], basic: Vocabulary) -> None:
        encoders = [load_classifier(folder, torch.device("cpu")) for folder in folders]
        self.members = [(encoder.model, encoder.logit_scale / RADIUS) for encoder in encoders]
        self.places = [[basic.index(key) for key in encoder.classes.keys] for encoder in encoders]
        self.classes = len(basic)

    @torch.no_grad()
    def answer(self, faces: Tensor) -> Tensor:
        """Return the mean of what they say of standardised faces [N, 1, S, S]: distributions [N, C]."""
        pixels = (faces * CONTRAST + GREY).clamp(0, 1).expand(-1, 3, -1, -1)
        said = torch.zeros(len(faces), self.classes)
        for (model, scale), places in zip(self.members, self.places, strict=True):
            said[:, places] += (model(pixels) * scale).softmax(dim=1) / len(self.members)
        return said

    def soften(self, targets: Tensor, faces: Tensor, shares: Tensor) -> Tensor:
        """Mix their answers into targets [N, C], each by its share [N]."""
        return torch.lerp(targets, self.answer(faces), shares[:, None])

    def shares(self, targets: Tensor, weight: float) -> Tensor:
        """Return what share of each target [N, C] they may have: none of the classes that one of them does not know."""
        known = set.intersection(*map(set, self.places))
        return weight * targets[:, sorted(known)].sum(dim=1)
