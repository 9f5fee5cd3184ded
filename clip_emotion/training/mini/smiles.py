"""Closed-lip smiles drawn on neutral faces: mouths are widened and their corners lifted, and the target says so."""

from __future__ import annotations

import hashlib
from pathlib import Path

import torch
import torch.nn.functional as F
from PIL import Image
from torch import Generator, Tensor

from clip_emotion.data.faces.finder import FaceFinder, FinderOptions
from clip_emotion.data.faces.makers import make_finder
from clip_emotion.training.mini.faces_config import SmileConfig
from clip_emotion.training.once import computed_once

SCALE, MARGIN, GREY = 4, 48, 128
"""A finder wants larger faces, and room around them."""
CORNERS = slice(3, 5)
"""The corners of the mouth among a face's landmarks."""


def find_mouths(images: Tensor, chosen: Tensor, cache: Path) -> Tensor:
    """Return the corners of the mouth, left and right, of the chosen grey images [N, 2, 2] as (x, y) in pixels.

    The default finder looks for them once, and they are kept below ``cache``. NaN where none is found, and for images
    [N, 1, H, W] that the mask [N] does not choose.
    """
    looked = images[chosen]
    digest = hashlib.sha256(looked.numpy().tobytes()).hexdigest()[:16]
    mouths = torch.full((len(images), 2, 2), float("nan"))
    mouths[chosen] = computed_once(cache / f"mouths-{digest}.safetensors", "mouths", lambda: _mouths(looked))
    return mouths


def _mouths(images: Tensor) -> Tensor:
    finder = make_finder(options=FinderOptions(min_face=0.4, confidence=0.5, largest_only=True))
    return torch.tensor([_corners(finder, image[0]) for image in images]).view(-1, 2, 2)


def _corners(finder: FaceFinder, grey: Tensor) -> list[list[float]]:
    height, width = grey.shape
    enlarged = Image.fromarray(grey.numpy()).resize((width * SCALE, height * SCALE), Image.Resampling.BICUBIC)
    canvas = Image.new("L", (enlarged.width + 2 * MARGIN, enlarged.height + 2 * MARGIN), GREY)
    canvas.paste(enlarged, (MARGIN, MARGIN))
    faces = finder.find(canvas.convert("RGB"))
    if not faces or faces[0].landmarks is None:
        return [[float("nan")] * 2] * 2
    return [[(value - MARGIN) / SCALE for value in point] for point in faces[0].landmarks[CORNERS]]


def smile(
    images: Tensor, targets: Tensor, mouths: Tensor, config: SmileConfig, generator: Generator, moves: tuple[int, int]
) -> tuple[Tensor, Tensor]:
    """Let a share of the images with known mouths smile, and move some other mouths a little down.

    Of a smiling face's target [N, C], the share ``belief`` of the class ``moves[0]`` goes to the class ``moves[1]``;
    a mouth that was moved down keeps its target, so that resampling alone tells nothing.
    """
    count = len(images)
    draw, size = torch.rand(count, generator=generator), torch.rand(count, 2, generator=generator)
    known = ~mouths.isnan().flatten(1).any(dim=1)
    smiling, falling = known & (draw < config.share), known & (draw >= 1 - config.fall_share)
    widen = config.widen[0] + (config.widen[1] - config.widen[0]) * size[:, 0]
    lift = config.lift[0] + (config.lift[1] - config.lift[0]) * size[:, 1]
    widen = torch.where(smiling, widen, (size[:, 0] - 0.5) * config.fall)
    lift = torch.where(smiling, lift, -config.fall * size[:, 1])
    moved = smiling | falling
    changed = images.clone()
    changed[moved] = move_corners(images[moved], mouths[moved], widen[moved], lift[moved], config.spread)
    goes = config.belief * targets[:, moves[0]] * smiling
    given = targets.clone()
    given[:, moves[0]] -= goes
    given[:, moves[1]] += goes
    return changed, given


def move_corners(images: Tensor, mouths: Tensor, widen: Tensor, lift: Tensor, spread: float) -> Tensor:
    """Move the corners of the mouth apart and up, in widths of the mouth, and the skin around them with them.

    A pixel is moved by a Gaussian of its distance from where the corner goes, of deviation ``spread`` widths.
    """
    _, _, height, width = images.shape
    across = mouths[:, 1] - mouths[:, 0]
    mouth = across.norm(dim=1, keepdim=True).clamp_min(1e-3)
    along = across / mouth
    down = torch.stack((-along[:, 1], along[:, 0]), dim=1)
    rows, columns = torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij")
    pixels = torch.stack((columns, rows), dim=-1).float()
    shift = torch.zeros(len(images), height, width, 2)
    for corner, sign in ((mouths[:, 0], -1.0), (mouths[:, 1], 1.0)):
        step = (sign * widen[:, None] * along - lift[:, None] * down) * mouth
        apart = (pixels - (corner + step / 2)[:, None, None]).square().sum(dim=-1)
        weight = (-apart / (2 * (spread * mouth[:, :, None]).square())).exp()
        shift = shift + weight[..., None] * step[:, None, None]
    source = (pixels - shift) / torch.tensor([width - 1, height - 1]) * 2 - 1
    return F.grid_sample(images, source, mode="bicubic", padding_mode="border", align_corners=True).clamp(0, 255)
