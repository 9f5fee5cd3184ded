"""A picture as the mini's image tower takes it, without torch."""

from __future__ import annotations

import numpy as np
from PIL import Image

from clip_emotion.arrays import Float32Array


def pixel_array(image: Image.Image, size: int) -> Float32Array:
    """Make of a picture RGB in [0, 1], float32 [3, size, size]."""
    rgb = image.convert("RGB")
    if rgb.size != (size, size):
        rgb = rgb.resize((size, size), Image.Resampling.BICUBIC, reducing_gap=3.0)
    array = np.asarray(rgb, dtype=np.float32) / 255
    return np.ascontiguousarray(array.transpose(2, 0, 1))
