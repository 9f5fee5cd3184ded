"""Keys by which equal contents are found, whatever their files: hashes of texts and of pixels."""

from __future__ import annotations

import hashlib
from typing import cast

from PIL import Image

from clip_emotion.data.images import open_image


def content_key(content: bytes) -> str:
    """Return the hash by which equal contents are found: SHA-256 in hexadecimal digits."""
    return hashlib.sha256(content).hexdigest()


def pixel_key(content: bytes) -> tuple[str, bool]:
    """Return the hash of a picture's size and RGB pixels, and whether they all have one colour; raises ImageError."""
    image = open_image(content)
    return content_key(f"{image.width}x{image.height}:".encode() + image.tobytes()), _one_colour(image)


def is_blank(content: bytes) -> bool:
    """Tell whether all pixels of a picture have one colour; raises ImageError."""
    return _one_colour(open_image(content))


def _one_colour(image: Image.Image) -> bool:
    extremes = cast("tuple[tuple[int, int], ...]", image.getextrema())  # of each band: the picture is RGB
    return all(low == high for low, high in extremes)
