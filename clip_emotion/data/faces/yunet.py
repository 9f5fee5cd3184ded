"""Faces found by YuNet, through OpenCV's FaceDetectorYN; its model is a file of its own, fetched once when asked for.

Wu, Peng and Yu, "YuNet: a tiny millisecond-level face detector" (Machine Intelligence Research, 2023).
"""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from clip_emotion.data.faces.finder import Face, FinderOptions, PerThread, as_box, largest_first
from clip_emotion.errors import ModelError

REPOSITORY, FILE = "opencv/face_detection_yunet", "face_detection_yunet_2026may.onnx"
SHA256 = "ebafce4e3c118d6554634be5c27ab333b4c047a9a8c3faf1d7cf93101c22f0f0"
CONFIDENCE = 0.7
OVERLAP = 0.3
WORKING_FACE = 24
"""The picture is reduced until the smallest face that is looked for has this side in pixels."""
SMALLEST_FACE = 12


class YunetFinder:
    """Finds faces, upright or tilted, with their landmarks."""

    def __init__(self, options: FinderOptions) -> None:
        self.options = options
        self.confidence = CONFIDENCE if options.confidence is None else options.confidence
        self._network = PerThread(self._load)

    def find(self, image: Image.Image) -> list[Face]:
        """Return the faces of an RGB picture, largest first; raises ModelError when the model is not there."""
        smallest = max(self.options.min_face * min(image.size), SMALLEST_FACE)
        scale = min(1.0, WORKING_FACE / smallest)
        size = (max(1, round(image.width * scale)), max(1, round(image.height * scale)))
        small = image if scale == 1 else image.resize(size, Image.Resampling.BILINEAR, reducing_gap=2.0)
        network = self._network.get()
        network.setInputSize(size)
        _, rows = network.detect(np.ascontiguousarray(np.asarray(small)[:, :, ::-1]))
        faces = [_face(row, scale, image.size) for row in ([] if rows is None else rows)]
        return largest_first(faces, self.options.min_face * min(image.size))

    def _load(self) -> Any:
        import cv2

        path = self.options.model or fetched()
        try:
            content = np.frombuffer(path.read_bytes(), np.uint8)
            return cv2.FaceDetectorYN.create(
                "onnx", content, np.empty(0, np.uint8), (320, 320), self.confidence, OVERLAP
            )
        except (OSError, cv2.error) as error:
            raise ModelError(
                f"The YuNet model {path} cannot be read ({type(error).__name__}): give another file, or --finder mtcnn."
            ) from error


def _face(row: Any, scale: float, size: tuple[int, int]) -> Face:
    """Read one row: x, y, width, height, five points with the picture's left first, and the confidence."""
    left, top, width, height = (float(value) / scale for value in row[:4])
    points = row[4:14].reshape(5, 2) / scale
    landmarks = tuple((float(x), float(y)) for x, y in points)
    return Face(as_box((left, top, left + width, top + height), size), float(row[14]), landmarks)


def fetched() -> Path:
    """Return the model's file, from the Hub's cache or fetched into it; raises ModelError where it cannot be had."""
    from huggingface_hub import hf_hub_download
    from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError

    try:
        path = Path(hf_hub_download(REPOSITORY, FILE))
    except (OSError, HfHubHTTPError, LocalEntryNotFoundError) as error:
        raise ModelError(
            f"The YuNet model could not be fetched from {REPOSITORY} ({type(error).__name__}): go online once, give "
            "its file as --finder yunet:FILE, or take --finder mtcnn."
        ) from error
    if hashlib.sha256(path.read_bytes()).hexdigest() != SHA256:
        raise ModelError(f"{path} is not the YuNet model that it should be: delete it and fetch it again.")
    return path
