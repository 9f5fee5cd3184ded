"""Faces found with OpenCV's Haar cascade, which OpenCV 5 no longer carries.

The cascade is Viola and Jones, "Rapid object detection using a boosted cascade of simple features" (CVPR 2001), in the
weights that OpenCV 4's package carries.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageOps

from clip_emotion.data.faces.finder import Face, FinderOptions, PerThread, as_box, largest_first
from clip_emotion.errors import ModelError

CASCADE = "haarcascade_frontalface_default.xml"
DETECTION_SIDE = 720
"""Longer pictures are reduced to this side for detection only."""
SCALE_FACTOR, NEIGHBOURS, SMALLEST_FACE = 1.1, 5, 24
BOX = 1.5
"""The cascade's box takes in cheeks and brow: it is about so much larger than the face's box from another finder."""
CONFIDENCE = 2.0
"""The cascade's last-stage score below which a find is taken for a false one."""
_NO_CASCADE = (
    "OpenCV's face cascade {} is missing or damaged (OpenCV 5 carries none): take --finder mtcnn, or reinstall "
    "opencv-python-headless 4.x"
)


class HaarFinder:
    """Finds upright frontal faces, without landmarks."""

    def __init__(self, options: FinderOptions) -> None:
        self.options = options
        self.confidence = CONFIDENCE if options.confidence is None else options.confidence
        self._cascade = PerThread(_load_cascade)

    def find(self, image: Image.Image) -> list[Face]:
        """Return the faces of an RGB picture, largest first; raises ModelError when OpenCV carries no cascade."""
        grey = ImageOps.grayscale(image)
        scale = min(1.0, DETECTION_SIDE / max(grey.size))
        if scale < 1:
            size = (max(1, round(grey.width * scale)), max(1, round(grey.height * scale)))
            grey = grey.resize(size, Image.Resampling.BILINEAR, reducing_gap=2.0)
        shortest = max(SMALLEST_FACE, round(BOX * self.options.min_face * min(grey.size)))
        rectangles, _, scores = self._cascade.get().detectMultiScale3(
            np.ascontiguousarray(grey),
            scaleFactor=SCALE_FACTOR,
            minNeighbors=NEIGHBOURS,
            minSize=(shortest, shortest),
            outputRejectLevels=True,
        )
        faces = []
        for (left, top, width, height), score in zip(rectangles, np.ravel(scores), strict=True):
            corners = (left / scale, top / scale, (left + width) / scale, (top + height) / scale)
            if score >= self.confidence:
                faces.append(Face(as_box(corners, image.size), float(score)))
        return largest_first(faces)


def _load_cascade() -> Any:
    """Read the cascade's file for OpenCV, which on Windows cannot open paths with Hangul in them itself."""
    import cv2

    if not hasattr(cv2, "CascadeClassifier"):
        raise ModelError(f"{_NO_CASCADE.format(CASCADE)}.")
    import cv2.data

    path = Path(cv2.data.haarcascades) / CASCADE
    cascade = cv2.CascadeClassifier()
    try:
        text = path.read_text(encoding="utf-8")
        storage = cv2.FileStorage(text, cv2.FILE_STORAGE_READ | cv2.FILE_STORAGE_MEMORY)
        loaded = cascade.read(storage.getFirstTopLevelNode())
    except (OSError, ValueError, SystemError, cv2.error) as error:
        raise ModelError(f"{_NO_CASCADE.format(path)} ({type(error).__name__}).") from error
    if not loaded:
        raise ModelError(f"{_NO_CASCADE.format(path)}.")
    return cascade
