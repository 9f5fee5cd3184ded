"""What is said of one face in one frame, and of frames and videos of which nothing can be said."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from clip_emotion.retrieval.labelling.rows import RunCard
from clip_emotion.types import Dimensions, FaceBox, Prediction, ScoredLabel

DIMENSIONS = ("valence", "arousal")


@dataclass(frozen=True, slots=True)
class SmoothedLabel:
    """One word along a track: its key and shown name, and its smoothed probability in [0, 1]."""

    label: str
    name: str
    probability: float

    def to_dict(self) -> dict[str, Any]:
        """Return the label as JSON-ready values."""
        return {"label": self.label, "name": self.name, "probability": self.probability}


@dataclass(frozen=True, slots=True)
class VideoRow:
    """One face in one frame; its names are those of a JSON line of ``label`` over a video.

    ``frame`` counts from 0 and ``time`` is in seconds from the video's start; a picture beside videos has neither.
    ``track`` numbers the faces of a video from 1, and is None in a frame without a face, as ``note`` says. ``box`` is
    in pixels of the frame as it is shown, None where the whole frame was labelled. ``labels`` are of this frame alone,
    ``smoothed`` along the track. A row with an ``error`` has no words: a stretch that cannot be decoded from ``time``
    on, or a video that cannot be read at all.
    """

    source: str
    frame: int | None = None
    time: float | None = None
    track: int | None = None
    box: FaceBox | None = None
    confidence: float | None = None
    labels: tuple[ScoredLabel, ...] = ()
    smoothed: tuple[SmoothedLabel, ...] = ()
    dimensions: Dimensions | None = None
    note: str = ""
    model: str = ""
    error: str | None = None

    @property
    def best(self) -> SmoothedLabel | None:
        """The most probable word along the track, or None where the row has none."""
        return self.smoothed[0] if self.smoothed else None

    def to_dict(self) -> dict[str, Any]:
        """Return the row as JSON-ready values; a box is [x, y, width, height]."""
        box = None if self.box is None else [self.box.x, self.box.y, self.box.width, self.box.height]
        place = {} if self.dimensions is None else self.dimensions.to_dict()
        return {
            "source": self.source,
            "frame": self.frame,
            "time": self.time,
            "track": self.track,
            "box": box,
            "confidence": self.confidence,
            "labels": [label.to_dict() for label in self.labels],
            "smoothed": [label.to_dict() for label in self.smoothed],
            **place,
            "note": self.note,
            "model": self.model,
            "error": self.error,
        }


def of_picture(prediction: Prediction) -> VideoRow:
    """Return a picture's row beside those of videos."""
    face = prediction.face
    smoothed = tuple(SmoothedLabel(one.label, one.name, one.probability) for one in prediction.labels)
    return VideoRow(
        prediction.path,
        box=face.box,
        confidence=face.confidence,
        labels=prediction.labels,
        smoothed=smoothed,
        dimensions=prediction.dimensions,
        note=face.note,
        model=prediction.model,
        error=prediction.error,
    )


def to_line(row: VideoRow, card: RunCard) -> dict[str, Any]:
    """Return a row as the mapping that a JSON line holds: its own values and those of its run."""
    values = row.to_dict()
    ends = {name: values.pop(name) for name in ("note", "model", "error")}
    places = {name: values.pop(name, None) for name in DIMENSIONS} if card.dimensions else {}
    return {**values, **places, "note": ends["note"], **card.written(), "error": ends["error"]}


def from_line(line: Mapping[str, Any]) -> VideoRow:
    """Return the row that a JSON line stands for; raises KeyError, TypeError or ValueError where it is none."""
    number, track = (None if line[name] is None else int(line[name]) for name in ("frame", "track"))
    placed = line.get(DIMENSIONS[0]) is not None
    return VideoRow(
        str(line["source"]),
        number,
        None if line["time"] is None else float(line["time"]),
        track,
        None if line["box"] is None else FaceBox(*map(int, line["box"])),
        None if line["confidence"] is None else float(line["confidence"]),
        tuple(
            ScoredLabel(one["label"], one["name"], float(one["probability"]), float(one["similarity"]))
            for one in line["labels"]
        ),
        tuple(SmoothedLabel(one["label"], one["name"], float(one["probability"])) for one in line["smoothed"]),
        Dimensions(*(float(line[name]) for name in DIMENSIONS)) if placed else None,
        line["note"],
        line["model"],
        line["error"],
    )
