"""Faces in a picture: found with OpenCV's Haar cascade, cropped square as face-expression data sets crop them.

The cascade is Viola and Jones, "Rapid object detection using a boosted cascade of simple features" (CVPR 2001), in the
weights that OpenCV 4's package carries.
"""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageOps

from clip_emotion.errors import ModelError
from clip_emotion.types import FaceBox

CASCADE = "haarcascade_frontalface_default.xml"
CROP_SIDE = 64
"""Pictures with a shorter side below this many pixels are taken for face crops, and no face is looked for in them."""
DETECTION_SIDE = 720
"""Longer pictures are reduced to this side for detection only."""
MIN_FACE = 0.06
"""The smallest face looked for, as a share of the shorter side."""
CONFIDENCE = 2.0
"""The cascade's last-stage score below which a find is taken for a false one."""
MARGIN = 0.02
"""With this margin the crop is as wide as FER-2013's, where the cascade's box spans 0.96 of the picture."""
ALREADY_CROPPED = 0.7
"""A face that spans this share of a square-ish picture: the picture is a face crop already."""

# OpenCV's package swaps itself for its binary while it is imported: two threads must not do so at once.
_LOADING = threading.Lock()
_NO_CASCADE = "OpenCV's face cascade at {} is missing or damaged: reinstall opencv-python-headless 4.x"


class FaceDetector:
    """Finds upright frontal faces; one object serves many threads, each with a cascade of its own."""

    def __init__(self, *, scale_factor: float = 1.1, min_neighbors: int = 5, confidence: float = CONFIDENCE) -> None:
        self.scale_factor = scale_factor
        self.min_neighbors = min_neighbors
        self.confidence = confidence
        self._local = threading.local()

    def detect(self, image: Image.Image) -> list[FaceBox]:
        """Return the faces of an RGB picture, largest first, in the picture's own pixels.

        Raises ModelError when the installed OpenCV carries no cascade.
        """
        grey = ImageOps.grayscale(image)
        scale = min(1.0, DETECTION_SIDE / max(grey.size))
        if scale < 1:
            size = (max(1, round(grey.width * scale)), max(1, round(grey.height * scale)))
            grey = grey.resize(size, Image.Resampling.BILINEAR, reducing_gap=2.0)
        shortest = max(24, round(MIN_FACE * min(grey.size)))
        rectangles, _, scores = self._cascade().detectMultiScale3(
            np.ascontiguousarray(grey),
            scaleFactor=self.scale_factor,
            minNeighbors=self.min_neighbors,
            minSize=(shortest, shortest),
            outputRejectLevels=True,
        )
        kept = [
            _to_original(rectangle, scale, image.size)
            for rectangle, score in zip(rectangles, np.ravel(scores), strict=True)
            if score >= self.confidence
        ]
        return sorted(kept, key=lambda box: (-box.width * box.height, box.y, box.x))

    def _cascade(self) -> Any:
        """Return this thread's cascade: OpenCV's object is not safe to share."""
        if not hasattr(self._local, "cascade"):
            with _LOADING:
                self._local.cascade = _load_cascade()
        return self._local.cascade


def _load_cascade() -> Any:
    """Read the cascade's file for OpenCV, which on Windows cannot open paths with Hangul in them itself."""
    import cv2
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


def _to_original(rectangle: Any, scale: float, size: tuple[int, int]) -> FaceBox:
    """Scale a rectangle back to the picture's own pixels and keep it inside."""
    x, y, width, height = (round(float(value) / scale) for value in rectangle)
    x, y = min(x, size[0] - 1), min(y, size[1] - 1)
    return FaceBox(x, y, min(width, size[0] - x), min(height, size[1] - y))


def crop_face(image: Image.Image, box: FaceBox, margin: float = MARGIN) -> Image.Image:
    """Cut a square around the box's centre, ``margin`` of its side wider on every side.

    The square is shifted inwards at the picture's edge, and is smaller only where the whole picture is smaller.
    """
    side = min(round(max(box.width, box.height) * (1 + 2 * margin)), *image.size)
    left = min(max(0, round(box.x + box.width / 2 - side / 2)), image.width - side)
    top = min(max(0, round(box.y + box.height / 2 - side / 2)), image.height - side)
    return image.crop((left, top, left + side, top + side))


def is_face_crop(image: Image.Image, box: FaceBox | None = None) -> bool:
    """Tell whether a picture is a face crop already: very small, or square-ish and filled by the face found in it."""
    shorter, longer = sorted(image.size)
    if shorter < CROP_SIDE:
        return True
    return box is not None and longer <= 1.3 * shorter and min(box.width, box.height) >= ALREADY_CROPPED * shorter
