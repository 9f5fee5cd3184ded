"""Chooses the parts of a picture that are labelled: a face, every face, the whole picture, or nothing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from PIL import Image

from clip_emotion.data.faces.boxes import boxes_of
from clip_emotion.data.faces.crop import crop_face, is_face_crop
from clip_emotion.data.faces.finder import Face, FaceFinder, largest_first
from clip_emotion.data.faces.options import FaceOptions

SMALL = "small picture, taken as a face crop"
CROPPED = "already a face crop, whole picture used"
NO_FACE = "no face found, whole picture used"
SKIPPED = "no face found, not labelled"
FACELESS = (NO_FACE, SKIPPED)
"""The remarks on pictures in which a face was looked for and none found."""


@dataclass(frozen=True, slots=True)
class Part:
    """One part of a picture: its pixels, None where nothing is to be labelled; which face it is; and a remark."""

    image: Image.Image | None
    index: int | None = None
    face: Face | None = None
    note: str = ""


class PartChooser:
    """Chooses the parts of pictures; one object serves many threads."""

    def __init__(self, options: FaceOptions) -> None:
        self.options = options
        self._finder: FaceFinder | None = None
        if options.mode != "none" and options.boxes is None:
            self._finder = options.make_finder()

    def __call__(self, image: Image.Image, name: str) -> list[Part]:
        """Return at least one part of an RGB picture that goes by this name; raises as the finder does."""
        options = self.options
        if options.mode == "none":
            return [Part(image)]
        if options.boxes is None and is_face_crop(image):
            return [Part(image, note=SMALL)]
        faces = self._faces(image, name)
        if not faces:
            return [Part(None, note=SKIPPED) if options.skips else Part(image, note=NO_FACE)]
        if options.boxes is None and is_face_crop(image, faces[0]) and (options.mode != "each" or len(faces) == 1):
            return [Part(image, 0, faces[0], CROPPED)]
        wanted = faces[: options.max_faces] if options.mode == "each" else faces[:1]
        return [Part(crop_face(image, face), index, face) for index, face in enumerate(wanted)]

    def _faces(self, image: Image.Image, name: str) -> Sequence[Face]:
        if self._finder is not None:
            return self._finder.find(image)
        boxes = boxes_of(name, self.options.boxes or {})
        return largest_first([Face(box) for box in boxes])
