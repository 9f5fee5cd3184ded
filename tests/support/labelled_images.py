"""Labelled images that tests export: a picture with two faces, one without any, and one that is gone."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from clip_emotion.retrieval.exports.records import FaceLabels, Judgement, LabelledImage
from clip_emotion.types import FaceBox, FaceRegion, ScoredLabel
from tests.support.pictures import noise, save

JOY, ANGER = ("joy", "기쁨"), ("화남/분노", "분노")
BOXES = (FaceBox(10, 10, 40, 40), FaceBox(60, 10, 30, 30))


def words(*found: tuple[tuple[str, str], float]) -> tuple[ScoredLabel, ...]:
    """Return a model's words: key and name, and probability."""
    return tuple(ScoredLabel(key, name, probability, probability / 2) for (key, name), probability in found)


def two_faces(folder: Path, *said: Judgement, name: str = "둘 faces.jpg") -> LabelledImage:
    """A picture of 100 × 80 with a face called anger, of which people said something, and a face called joy."""
    file = save(noise((100, 80), 1), folder / name)
    faces = (
        FaceLabels(FaceRegion(0, BOXES[0], 0.9, "face"), words((ANGER, 0.7), (JOY, 0.2)), said),
        FaceLabels(FaceRegion(1, BOXES[1], 0.8, "face"), words((JOY, 0.9))),
    )
    return LabelledImage(str(file), file, faces, "mini:abc", "basic7")


def no_face(folder: Path, name: str = "whole.png") -> LabelledImage:
    """A picture of 48 × 48 in which no face was found, with an embedding."""
    file = save(noise((48, 48), 2), folder / name)
    face = FaceLabels(FaceRegion(), words((JOY, 0.6)), vector=np.array([0.6, 0.8], dtype=np.float32))
    return LabelledImage(str(file), file, (face,), "mini:abc", "basic7")


def gone(folder: Path) -> LabelledImage:
    """A picture that is not there."""
    return LabelledImage("gone.png", folder / "gone.png")


def some_images(folder: Path) -> list[LabelledImage]:
    """All of them; two people said joy of the first face, one anger."""
    said = (Judgement("joy", "kim"), Judgement("화남/분노", "lee"), Judgement("joy", "park"))
    return [two_faces(folder, *said), no_face(folder), gone(folder)]
