"""Pixels of any kind as upright 8-bit RGB, converted tile by tile: memory holds one copy more, never several."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

TILE = 1 << 18
"""Pixels that are converted at a time."""
ORIENTATION = 0x0112
TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
"""What makes a picture upright, by its EXIF orientation."""
Box = tuple[int, int, int, int]


def to_rgb(image: Image.Image) -> Image.Image:
    """Convert any Pillow mode to 8-bit RGB: deep greys are scaled, not clipped, and transparency lies on white.

    A picture that is plain RGB comes back as it is.
    """
    if image.mode == "RGB" and "transparency" not in image.info:
        return image
    if image.mode == "F" or image.mode.startswith("I"):
        return _deep_grey(image)
    return _on_white(image) if image.has_transparency_data else image.convert("RGB")


def upright(image: Image.Image, orientation: int) -> Image.Image:
    """Turn a picture as its EXIF orientation says; 1 and unknown numbers leave it as it is."""
    turn = TURNS.get(orientation)
    return image if turn is None else image.transpose(turn)


def scale_to_8_bit(values: NDArray[Any], factor: float) -> NDArray[np.uint8]:
    """Return values times a factor, rounded and clipped to 0–255; what is not finite becomes 0."""
    finite = np.nan_to_num(values.astype(np.float64), posinf=0.0, neginf=0.0)
    scaled: NDArray[np.uint8] = (finite * factor).round().clip(0, 255).astype(np.uint8)
    return scaled


def tiles(width: int, height: int) -> Iterator[Box]:
    """Yield the boxes (left, upper, right, lower) that cover a picture, none of more than ``TILE`` pixels."""
    across = min(width, TILE)
    down = max(1, TILE // max(1, across))
    for top in range(0, height, down):
        for left in range(0, width, across):
            yield left, top, min(left + across, width), min(top + down, height)


def _deep_grey(image: Image.Image) -> Image.Image:
    """Scale deep grey values to 0–255: 16-bit ones by their full range, others by the range that they show."""
    factor = _factor(image)
    rgb = Image.new("RGB", image.size)
    for box in tiles(*image.size):
        tile = scale_to_8_bit(np.asarray(image.crop(box)), factor)
        rgb.paste(Image.fromarray(tile).convert("RGB"), box[:2])
    return rgb


def _factor(image: Image.Image) -> float:
    if image.mode.startswith("I;16"):
        return 1 / 257
    peaks = (_peak(np.asarray(image.crop(box))) for box in tiles(*image.size))
    peak = max(peaks, default=0.0)
    if image.mode == "I" and 255 < peak <= 65535:
        return 1 / 257
    if image.mode == "F" and 0 < peak <= 1:
        return 255.0
    return 255 / peak if peak > 255 else 1.0


def _peak(values: NDArray[Any]) -> float:
    return float(values.max(initial=0, where=np.isfinite(values)))


def _on_white(image: Image.Image) -> Image.Image:
    rgb = Image.new("RGB", image.size)
    for box in tiles(*image.size):
        layered = image.crop(box).convert("RGBA")
        white = Image.new("RGBA", layered.size, "white")
        rgb.paste(Image.alpha_composite(white, layered).convert("RGB"), box[:2])
    return rgb
