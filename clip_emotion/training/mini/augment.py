"""Augmentation of whole batches of small grey images: one affine resampling, contrast and erasing."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Generator, Tensor

from clip_emotion.training.mini.faces_config import AugmentConfig


def augment(images: Tensor, side: int, config: AugmentConfig, generator: Generator) -> Tensor:
    """Flip, rotate, zoom, shift, change contrast and erase: standardised [N, 1, H, W] → [N, 1, side, side]."""
    count = len(images)

    def uniform(low: float, high: float) -> Tensor:
        return torch.rand(count, generator=generator) * (high - low) + low

    angle = uniform(-config.rotation, config.rotation) * math.pi / 180
    zoom, stretch = uniform(*config.zoom), uniform(1 - config.stretch, 1 + config.stretch)
    flip = torch.where(torch.rand(count, generator=generator) < 0.5, -1.0, 1.0)
    matrix = torch.empty(count, 2, 3)
    matrix[:, 0, 0] = zoom * angle.cos() * flip
    matrix[:, 0, 1] = -zoom * angle.sin()
    matrix[:, 1, 0] = zoom * stretch * angle.sin() * flip
    matrix[:, 1, 1] = zoom * stretch * angle.cos()
    matrix[:, :, 2] = torch.rand(count, 2, generator=generator) * 2 * config.shift - config.shift
    grid = F.affine_grid(matrix, [count, 1, side, side], align_corners=False)
    moved = F.grid_sample(images, grid, padding_mode="reflection", align_corners=False)
    moved = moved * uniform(1 - config.contrast, 1 + config.contrast).view(-1, 1, 1, 1)
    return erase(moved, config, generator)


def erase(images: Tensor, config: AugmentConfig, generator: Generator) -> Tensor:
    """Fill one random rectangle with noise in some images (random erasing, 1708.04896)."""
    count, _, height, width = images.shape
    low, high = config.erase_side
    sides = torch.rand(count, 2, generator=generator) * (high - low) + low
    corner = torch.rand(count, 2, generator=generator) * (1 - sides)
    rows = (torch.arange(height) + 0.5) / height
    columns = (torch.arange(width) + 0.5) / width
    inside_rows = (rows >= corner[:, :1]) & (rows < corner[:, :1] + sides[:, :1])
    inside_columns = (columns >= corner[:, 1:]) & (columns < corner[:, 1:] + sides[:, 1:])
    chosen = torch.rand(count, generator=generator) < config.erase_probability
    mask = inside_rows[:, :, None] & inside_columns[:, None, :] & chosen[:, None, None]
    noise = torch.randn(images.shape, generator=generator)
    return torch.where(mask[:, None], noise, images)
