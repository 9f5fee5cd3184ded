"""Logits as embeddings of unit length, so that a classifier stands behind the contract of encoders."""

from __future__ import annotations

import torch
from torch import Tensor

RADIUS = 64.0
"""Centred logits that are longer than this are shortened to it: no softmax of so few classes tells them apart."""


def on_sphere(logits: Tensor) -> Tensor:
    """Return logits [N, C] as embeddings of unit length [N, C + 1].

    With z the centred logits, the embedding is ``(z, sqrt(R² - |z|²)) / R``. Its inner product with ``axis(c)``, times
    R, is z_c, so that cosines times R are the logits and their softmax the classifier's own.
    """
    centred = logits - logits.mean(dim=1, keepdim=True)
    lengths = centred.norm(dim=1, keepdim=True)
    centred = centred * (RADIUS / lengths.clamp_min(RADIUS))
    rest = (RADIUS**2 - centred.square().sum(dim=1, keepdim=True)).clamp_min(0).sqrt()
    return torch.cat((centred, rest), dim=1) / RADIUS


def axes(places: Tensor, classes: int) -> Tensor:
    """Return the embedding of each class by its place [M] → [M, C + 1]."""
    return torch.nn.functional.one_hot(places, classes + 1).float()
