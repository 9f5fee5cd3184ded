"""The options that say which part of a picture is looked at, the same in every verb that looks at pictures."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from clip_emotion.data.faces.options import FaceOptions


class Face(StrEnum):
    """Which part of a picture is looked at."""

    auto = "auto"
    each = "each"
    none = "none"
    require = "require"


class NoFace(StrEnum):
    """What becomes of a picture in which no face is found."""

    whole = "whole"
    skip = "skip"


FaceMode = Annotated[
    Face,
    typer.Option(
        "--face",
        help="auto: the largest face, the whole picture where there is none; each: a row per face; none: whole "
        "pictures; require: the largest face, no words where there is none.",
    ),
]
Finder = Annotated[str, typer.Option("--finder", help="What finds faces: mtcnn, yunet, yunet:FILE or haar.")]
MinFace = Annotated[
    float, typer.Option("--min-face", min=0.001, max=1, help="Smallest face, as a share of the shorter side.")
]
MaxFaces = Annotated[int | None, typer.Option("--max-faces", min=1, help="With --face each: the largest so many.")]
WithoutFace = Annotated[NoFace, typer.Option("--no-face", help="A picture without a face: look at all of it, or skip.")]
Boxes = Annotated[
    Path | None, typer.Option("--boxes", help="Your own faces: a CSV or TSV of path, x, y, width, height in pixels.")
]


@dataclass(frozen=True)
class FaceArguments:
    """Where to look in pictures that have one row each, as the command line says it."""

    face: FaceMode = Face.auto
    finder: Finder = "mtcnn"
    min_face: MinFace = 0.04
    no_face: WithoutFace = NoFace.whole
    boxes: Boxes = None

    def options(self) -> FaceOptions:
        """Return the options as the library takes them; raises as ``face_options`` does."""
        return face_options(self.face, self.finder, self.min_face, self.no_face, self.boxes)


@dataclass(frozen=True)
class FacesArguments:
    """Where to look in pictures that may have a row for each face, as the command line says it."""

    face: FaceMode = Face.auto
    finder: Finder = "mtcnn"
    min_face: MinFace = 0.04
    max_faces: MaxFaces = None
    no_face: WithoutFace = NoFace.whole
    boxes: Boxes = None

    def options(self) -> FaceOptions:
        """Return the options as the library takes them; raises as ``face_options`` does."""
        return face_options(self.face, self.finder, self.min_face, self.no_face, self.boxes, self.max_faces)


def face_options(
    face: Face, finder: str, min_face: float, no_face: NoFace, boxes: Path | None, max_faces: int | None = None
) -> FaceOptions:
    """Return the options as the library takes them; raises UsageError or DataError for those that cannot be."""
    from clip_emotion.data.faces.boxes import read_boxes
    from clip_emotion.data.faces.options import FaceOptions

    given = None if boxes is None else read_boxes(boxes)
    options = FaceOptions(face.value, finder, min_face, max_faces, no_face.value, given)
    if face is not Face.none and given is None:
        options.make_finder()
    return options
