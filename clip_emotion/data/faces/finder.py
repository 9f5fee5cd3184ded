"""What a face finder is: an RGB picture in, faces with five landmarks and a confidence out."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Generic, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from clip_emotion.types import FaceBox

Landmarks = tuple[tuple[float, float], ...]
"""Five points (x, y) in pixels: the eye on the picture's left, that on its right, nose, left and right mouth corner."""
FloatArray = NDArray[np.float64]
T = TypeVar("T")

# OpenCV's package swaps itself for its binary while it is imported: two threads must not do so at once.
_LOADING = threading.Lock()


@dataclass(frozen=True, slots=True)
class Face:
    """One face of a picture, in the picture's own pixels.

    ``confidence`` is the finder's own, the higher the surer: a probability from mtcnn and yunet, a score without upper
    bound from haar, None for a box that a person gave. A finder that knows no landmarks leaves them None.
    """

    box: FaceBox
    confidence: float | None = None
    landmarks: Landmarks | None = None


@dataclass(frozen=True)
class FinderOptions:
    """What a finder looks for.

    ``min_face`` is the longer side of the smallest face's box as a share of the picture's shorter side; ``confidence``
    that below which a find is dropped, None for the finder's own; ``model`` the file of a finder that needs one.
    """

    min_face: float = 0.04
    confidence: float | None = None
    model: Path | None = None
    largest_only: bool = False
    """Whether the largest face is all that is wanted, so that smaller ones need not be looked for where it is found."""


class FaceFinder(Protocol):
    """Finds faces; one object serves many threads."""

    def find(self, image: Image.Image) -> list[Face]:
        """Return the faces of an RGB picture, largest first, in the picture's own pixels.

        Raises ModelError when what the finder needs is not there.
        """
        ...


class PerThread(Generic[T]):
    """Makes one object for each thread that asks, since OpenCV's networks and cascades are not safe to share."""

    def __init__(self, make: Callable[[], T]) -> None:
        self._make = make
        self._local = threading.local()

    def get(self) -> T:
        """Return this thread's object."""
        if not hasattr(self._local, "made"):
            with _LOADING:
                self._local.made = self._make()
        made: T = self._local.made
        return made


def as_box(corners: Sequence[float] | FloatArray, size: tuple[int, int]) -> FaceBox:
    """Round corners (x0, y0, x1, y1) to whole pixels inside a picture of this (width, height)."""
    width, height = size
    left, right = (min(max(0, round(float(value))), width) for value in (corners[0], corners[2]))
    top, bottom = (min(max(0, round(float(value))), height) for value in (corners[1], corners[3]))
    left, top = min(left, width - 1), min(top, height - 1)
    return FaceBox(left, top, max(1, right - left), max(1, bottom - top))


def largest_first(faces: list[Face], smallest: float = 0) -> list[Face]:
    """Sort faces by area, the largest first, less those whose longer side is below ``smallest`` pixels.

    Equal ones come from top to bottom and from left to right.
    """
    faces = [face for face in faces if max(face.box.width, face.box.height) >= smallest]
    return sorted(faces, key=lambda face: (-face.box.width * face.box.height, face.box.y, face.box.x))
