"""Masks that keep pixels of the colour of skin, by published thresholds; they do not serve all people alike.

The thresholds were set on few, mostly light faces, and light changes what they keep: see docs/classifiers.md for how
often they keep the faces of which people.
"""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image

SkinMask = Literal["none", "hsv", "ycrcb"]
Bound = tuple[int, int, int]
HSV: tuple[Bound, Bound] = ((0, 59, 0), (25, 173, 255))
"""0 ≤ H ≤ 50°, 0.23 ≤ S ≤ 0.68 in OpenCV's units: Sobottka and Pitas (1998), "A novel method for automatic face
segmentation, facial feature extraction and tracking"."""
YCRCB: tuple[Bound, Bound] = ((0, 133, 77), (255, 173, 127))
"""133 ≤ Cr ≤ 173, 77 ≤ Cb ≤ 127: Chai and Ngan (1999), "Face segmentation using skin-color map in videophone
applications"."""


def skin_pixels(image: Image.Image, mask: Literal["hsv", "ycrcb"]) -> NDArray[np.bool_]:
    """Return which pixels of an RGB picture have the colour of skin, [H, W]."""
    import cv2

    space, (low, high) = {"hsv": (cv2.COLOR_RGB2HSV, HSV), "ycrcb": (cv2.COLOR_RGB2YCrCb, YCRCB)}[mask]
    inside = cv2.inRange(cv2.cvtColor(np.asarray(image.convert("RGB")), space), np.array(low), np.array(high))
    return np.asarray(inside > 0)


def keep_skin(image: Image.Image, mask: SkinMask) -> Image.Image:
    """Return an RGB picture with black where its pixels have not the colour of skin; a grey one comes back as it is."""
    if mask == "none":
        return image
    pixels = np.asarray(image.convert("RGB"))
    if (pixels == pixels[..., :1]).all():
        return image
    return Image.fromarray(np.where(skin_pixels(image, mask)[..., None], pixels, 0).astype(np.uint8))
