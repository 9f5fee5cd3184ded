"""Frozen records that travel between the rooms; nothing here imports torch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

LabelledPart = Literal["face", "whole", "none"]
"""Which part of an image was labelled: a face cut out of it, all of it, or nothing."""


@dataclass(frozen=True, slots=True)
class FaceBox:
    """A face's rectangle in pixels of the image after its EXIF rotation; (x, y) is the upper-left corner."""

    x: int
    y: int
    width: int
    height: int


@dataclass(frozen=True, slots=True)
class FaceRegion:
    """The part of an image that a row speaks of: which face, where, how sure its finder is, and a remark.

    ``index`` counts an image's faces from 0, the largest first; ``confidence`` is the face finder's own.
    """

    index: int | None = None
    box: FaceBox | None = None
    confidence: float | None = None
    part: LabelledPart = "whole"
    note: str = ""

    def to_dict(self) -> dict[str, Any]:
        """Return the region as JSON-ready values; a box is [x, y, width, height]."""
        box = None if self.box is None else [self.box.x, self.box.y, self.box.width, self.box.height]
        return {
            "index": self.index, "box": box, "confidence": self.confidence, "part": self.part, "note": self.note,
        }  # fmt: skip


@dataclass(frozen=True, slots=True)
class ScoredLabel:
    """One word of a vocabulary for one image: its key and shown name, probability in [0, 1], cosine similarity."""

    label: str
    name: str
    probability: float
    similarity: float

    @property
    def key(self) -> str:
        """The label's key in the vocabulary, by its older name."""
        return self.label

    def to_dict(self) -> dict[str, Any]:
        """Return the label as JSON-ready values."""
        return {
            "label": self.label, "name": self.name, "probability": self.probability, "similarity": self.similarity,
        }  # fmt: skip


@dataclass(frozen=True, slots=True)
class Dimensions:
    """How a face looks on two axes in [-1, 1]: unpleasant to pleasant, and calm to excited."""

    valence: float
    arousal: float

    def to_dict(self) -> dict[str, Any]:
        """Return the axes as JSON-ready values."""
        return {"valence": self.valence, "arousal": self.arousal}


@dataclass(frozen=True, slots=True)
class Prediction:
    """What was said of one image or of one face in it; its names are those of a JSON line of ``label``.

    ``labels`` is empty where ``error`` says why, and where no face was found in an image that is not to be labelled
    without one (``face.part`` is then ``none``). ``dimensions`` is None unless they were asked for and the row has
    labels.
    """

    path: str
    labels: tuple[ScoredLabel, ...]
    model: str
    face: FaceRegion = FaceRegion()
    error: str | None = None
    dimensions: Dimensions | None = None

    @property
    def best(self) -> ScoredLabel | None:
        """The most probable label, or None where the row has none."""
        return self.labels[0] if self.labels else None

    def to_dict(self) -> dict[str, Any]:
        """Return the row as JSON-ready values."""
        labels = [label.to_dict() for label in self.labels]
        values = {
            "path": self.path, "face": self.face.to_dict(), "labels": labels, "model": self.model, "error": self.error,
        }  # fmt: skip
        return values if self.dimensions is None else {**values, **self.dimensions.to_dict()}
