"""Mixup: images and their targets mixed with their neighbours' (Zhang et al., 1710.09412)."""

from __future__ import annotations

import random

import torch
from torch import Tensor


def mix(images: Tensor, targets: Tensor, alpha: float, rng: random.Random) -> tuple[Tensor, Tensor]:
    """Mix each image and its target with its neighbour's, all by one share of Beta(α, α); α = 0 mixes none."""
    if not alpha:
        return images, targets
    share = max(draw := rng.betavariate(alpha, alpha), 1 - draw)
    return mixed(images, targets, share)


def mixed(images: Tensor, targets: Tensor, share: float) -> tuple[Tensor, Tensor]:
    """Mix each image [N, …] and its target [N, C] with its neighbour's, whose part is 1 - ``share``."""
    return torch.lerp(images.roll(1, 0), images, share), torch.lerp(targets.roll(1, 0), targets, share)
