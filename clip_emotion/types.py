"""Frozen records that travel between the rooms; nothing here imports torch."""

from __future__ import annotations

from dataclasses import dataclass


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
    """What was said of one image or of one face in it; ``error`` is set exactly when ``labels`` is empty."""

    path: str
    labels: tuple[ScoredLabel, ...]
    model: str
    face_index: int | None = None
    face_box: FaceBox | None = None
    face_note: str = ""
    error: str | None = None

    @property
    def best(self) -> ScoredLabel | None:
        """The most probable label, or None where the row is an error."""
        return self.labels[0] if self.labels else None
