"""Random changes to training pictures, as one configuration names them; a whole batch at a time, pure in a generator.

torchvision's own random classes draw from the process's one generator, which dropout uses too and threads share, so
a run could not be repeated. Here the parameters are drawn first, from a generator of the step, and applied to all
pictures at once; each change is defined by the torchvision v2 function that its line names, and tested against it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, fields

import torch
from torch import Generator, Tensor
from torch.nn import functional as F
from torchvision.transforms.v2 import functional as V

from clip_emotion.data.transform_config import Range, TransformConfig


@dataclass(frozen=True)
class Changes:
    """What is done to each of N pictures; all tensors have N rows."""

    angle: Tensor
    """Degrees, clockwise."""
    shift: Tensor
    """[N, 2], right and down, as shares of the sides."""
    scale: Tensor
    crop: Tensor
    """[N, 4]: left, top, width, height, as shares of the sides."""
    flip: Tensor
    brightness: Tensor
    contrast: Tensor
    saturation: Tensor
    grayscale: Tensor
    erase: Tensor
    """[N, 4]: left, top, width, height, as shares of the sides; no width where nothing is erased."""
    colour: Tensor
    """[N, 3]: what the erased part shows."""

    def part(self, rows: range) -> Changes:
        """Return the changes of some neighbouring pictures."""
        chosen = slice(rows.start, rows.stop)
        return Changes(**{field.name: getattr(self, field.name)[chosen] for field in fields(self)})

    def to(self, device: torch.device) -> Changes:
        """Return the changes on a device."""
        return Changes(**{field.name: getattr(self, field.name).to(device) for field in fields(self)})


def draw_changes(config: TransformConfig, count: int, generator: Generator) -> Changes:
    """Draw what happens to each of ``count`` pictures."""

    def uniform(low: float, high: float, columns: int = 0) -> Tensor:
        shape = (count, columns) if columns else (count,)
        return torch.rand(shape, generator=generator) * (high - low) + low

    def chance(probability: float) -> Tensor:
        return torch.rand(count, generator=generator) < probability

    def window(area: Range, aspect: Range) -> Tensor:
        ratio = uniform(math.log(aspect[0]), math.log(aspect[1])).exp().sqrt()
        side = uniform(*area).sqrt()
        sides = torch.stack((side * ratio, side / ratio), dim=1).clamp(max=1.0)
        return torch.cat((uniform(0, 1, 2) * (1 - sides), sides), dim=1)

    def factor(reach: float) -> Tensor:
        return uniform(1 - reach, 1 + reach)

    return Changes(
        angle=uniform(-config.rotate, config.rotate),
        shift=uniform(-config.translate, config.translate, 2),
        scale=uniform(*config.scale),
        crop=window(config.crop, config.aspect),
        flip=chance(config.flip),
        brightness=factor(config.brightness),
        contrast=factor(config.contrast),
        saturation=factor(config.saturation),
        grayscale=chance(config.grayscale),
        erase=window(config.erase_area, (0.3, 1 / 0.3)) * chance(config.erase)[:, None],
        colour=uniform(0, 1, 3),
    )


def apply_changes(pixels: Tensor, changes: Changes, size: int, config: TransformConfig) -> Tensor:
    """Change each picture as drawn: uint8 or [0, 1] float [N, 3, H, W] → float [N, 3, size, size] in [0, 1].

    Changes that the configuration leaves out cost nothing. Pictures larger than ``size`` should be shrunk before, as
    one bilinear resampling does all of the geometry.
    """
    moved = _move(V.to_dtype(pixels, torch.float32, scale=True), changes, size, config.padding)
    if config.brightness:  # V.adjust_brightness
        moved = (moved * _wide(changes.brightness)).clamp(0, 1)
    if config.contrast:  # V.adjust_contrast
        mean = V.rgb_to_grayscale(moved).mean(dim=(1, 2, 3), keepdim=True)
        moved = torch.lerp(mean, moved, _wide(changes.contrast)).clamp(0, 1)
    if config.saturation:  # V.adjust_saturation
        moved = torch.lerp(V.rgb_to_grayscale(moved), moved, _wide(changes.saturation)).clamp(0, 1)
    if config.grayscale:
        moved = torch.where(_wide(changes.grayscale), V.rgb_to_grayscale(moved), moved)
    return _erase(moved, changes) if config.erase else moved


def _wide(values: Tensor) -> Tensor:
    return values.view(-1, 1, 1, 1)


def _move(pixels: Tensor, changes: Changes, size: int, padding: str) -> Tensor:
    """Do V.affine, V.resized_crop and V.horizontal_flip as one resampling, so that nothing is blurred twice."""
    height, width = pixels.shape[2:]
    angle = changes.angle * math.pi / 180
    cos, sin = angle.cos() / changes.scale, angle.sin() / changes.scale
    # Where a place of the turned picture comes from, in coordinates from -1 to 1 along each side.
    turn = torch.stack((cos, sin * height / width, -sin * width / height, cos), dim=1).view(-1, 2, 2)
    sides = changes.crop[:, 2:]
    middle = 2 * changes.crop[:, :2] + sides - 1
    mirrored = torch.stack((torch.where(changes.flip, -1.0, 1.0), torch.ones_like(angle)), dim=1)
    linear = turn * (sides * mirrored)[:, None, :]
    offset = turn @ (middle - 2 * changes.shift)[:, :, None]
    grid = F.affine_grid(torch.cat((linear, offset), dim=2), [len(pixels), 3, size, size], align_corners=False)
    return F.grid_sample(pixels, grid, padding_mode=padding, align_corners=False)


def _erase(pixels: Tensor, changes: Changes) -> Tensor:
    """Fill a rectangle with one colour, as V.erase does (random erasing, 1708.04896)."""
    size = pixels.shape[-1]
    box = (changes.erase * size).round()
    low, high = box[:, :2, None], (box[:, :2] + box[:, 2:])[:, :, None]
    places = torch.arange(size, device=pixels.device)
    inside = (places >= low) & (places < high)
    mask = inside[:, 0][:, None, None, :] & inside[:, 1][:, None, :, None]
    return torch.where(mask, changes.colour[:, :, None, None], pixels)
