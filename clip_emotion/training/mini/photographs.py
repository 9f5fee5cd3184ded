"""Augmentation that makes small grey images look like reduced photographs: light, sharpness, grain and JPEG."""

from __future__ import annotations

import io
import math

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from torch import Generator, Tensor

from clip_emotion.training.mini.faces_config import PhotographConfig


def photograph(images: Tensor, config: PhotographConfig, generator: Generator) -> Tensor:
    """Change light, sharpness, resolution, noise and compression of grey images in [0, 255], [N, 1, H, W]."""
    images = relight(images, config, generator)
    images = refocus(images, config, generator)
    images = rescale(images, config, generator)
    noisy = _chosen(len(images), config.noise_share, generator) * config.noise
    noisy = noisy * torch.rand(len(images), generator=generator)
    images = images + noisy.view(-1, 1, 1, 1) * torch.randn(images.shape, generator=generator)
    return compress(images.clamp(0, 255), config, generator)


def relight(images: Tensor, config: PhotographConfig, generator: Generator) -> Tensor:
    """Bend the tone curve by a gamma and lay a slope of light over some of the images."""
    count, _, height, width = images.shape
    chosen = _chosen(count, config.light_share, generator)
    exponent = (math.log(config.gamma) * _signed(count, generator) * chosen).exp().view(-1, 1, 1, 1)
    angle = math.pi * _signed(count, generator)
    slope = config.light * torch.rand(count, generator=generator) * chosen
    rows, columns = torch.linspace(-1, 1, height).view(1, -1, 1), torch.linspace(-1, 1, width).view(1, 1, -1)
    ramp = angle.cos().view(-1, 1, 1) * columns + angle.sin().view(-1, 1, 1) * rows
    lit = 1 + (slope.view(-1, 1, 1) * ramp / math.sqrt(2)).unsqueeze(1)
    bent: Tensor = 255 * (images / 255).pow(exponent)
    return (bent * lit).clamp(0, 255)


def refocus(images: Tensor, config: PhotographConfig, generator: Generator) -> Tensor:
    """Blur some of the images, sharpen some others: ``p + a · (p - blurred)`` with a from -1 up."""
    count = len(images)
    draw = torch.rand(count, generator=generator)
    strength = torch.rand(count, generator=generator)
    blurred = draw < config.blur_share
    sharpened = ~blurred & (draw < config.blur_share + config.sharpen_share)
    deviation = torch.where(blurred, config.blur * strength, 0.8).clamp_min(0.2)
    amount = torch.where(blurred, -1.0, torch.where(sharpened, config.sharpen * strength, 0.0))
    return images + amount.view(-1, 1, 1, 1) * (images - gaussian(images, deviation))


def gaussian(images: Tensor, deviation: Tensor, radius: int = 3) -> Tensor:
    """Blur each picture [N, 1, H, W] by a Gaussian of its own deviation [N] in pixels."""
    offsets = torch.arange(-radius, radius + 1, dtype=torch.float32)
    kernel = (-(offsets**2) / (2 * deviation[:, None] ** 2)).exp()
    kernel = kernel / kernel.sum(dim=1, keepdim=True)
    count = len(images)
    padded = F.pad(images, (radius,) * 4, mode="reflect").transpose(0, 1)
    rows = F.conv2d(padded, kernel.view(count, 1, -1, 1), groups=count)
    return F.conv2d(rows, kernel.view(count, 1, 1, -1), groups=count).transpose(0, 1)


def rescale(images: Tensor, config: PhotographConfig, generator: Generator) -> Tensor:
    """Scale some of the images down, all by one factor, and up again."""
    chosen = _chosen(len(images), config.reduce_share, generator).bool()
    factor = config.reduce + (1 - config.reduce) * float(torch.rand(1, generator=generator))
    if not chosen.any():
        return images
    height, width = images.shape[2:]
    small = (max(2, round(height * factor)), max(2, round(width * factor)))
    reduced = F.interpolate(images[chosen], small, mode="bilinear", antialias=True)
    changed = images.clone()
    changed[chosen] = F.interpolate(reduced, (height, width), mode="bicubic", align_corners=False).clamp(0, 255)
    return changed


def compress(images: Tensor, config: PhotographConfig, generator: Generator) -> Tensor:
    """Write some of the images as JPEG and read them again."""
    chosen = _chosen(len(images), config.jpeg_share, generator).nonzero().flatten().tolist()
    low, high = config.jpeg
    qualities = torch.randint(low, high + 1, (len(chosen),), generator=generator).tolist()
    changed = images.clone()
    for row, quality in zip(chosen, qualities, strict=True):
        buffer = io.BytesIO()
        Image.fromarray(images[row, 0].round().to(torch.uint8).numpy()).save(buffer, "JPEG", quality=quality)
        changed[row, 0] = torch.from_numpy(np.asarray(Image.open(buffer), dtype=np.float32).copy())
    return changed


def _chosen(count: int, share: float, generator: Generator) -> Tensor:
    return (torch.rand(count, generator=generator) < share).float()


def _signed(count: int, generator: Generator) -> Tensor:
    return torch.rand(count, generator=generator) * 2 - 1
