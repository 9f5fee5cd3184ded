"""Frozen records that travel between the rooms; nothing here imports torch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Shown = Literal["face", "picture", "nothing"]
"""Which part of an image was labelled."""


@dataclass(frozen=True, slots=True)
class FaceBox:
    """A face's rectangle in pixels of the image after its EXIF rotation; (x, y) is the upper-left corner."""

    x: int
    y: int
    width: int
    height: int


@dataclass(frozen=True, slots=True)
class ScoredLabel:
    """One word of a vocabulary for one image: its key and shown name, probability in [0, 1], cosine similarity."""

    key: str
    name: str
    probability: float
    similarity: float


@dataclass(frozen=True, slots=True)
class Prediction:
    """What was said of one image or of one face in it.

    ``labels`` is empty where ``error`` says why, and where no face was found in an image that is not to be labelled
    without one (``labelled`` is then ``nothing``). ``face_confidence`` is the face finder's own.
    """

    path: str
    labels: tuple[ScoredLabel, ...]
    model: str
    face_index: int | None = None
    face_box: FaceBox | None = None
    face_note: str = ""
    error: str | None = None
    face_confidence: float | None = None
    labelled: Shown = "face"

    @property
    def best(self) -> ScoredLabel | None:
        """The most probable label, or None where the row has none."""
        return self.labels[0] if self.labels else None
