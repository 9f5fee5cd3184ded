"""One frame on its way to the encoder: its faces found, cut, prepared, and known by their appearance."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from PIL import Image

from clip_emotion.arrays import Float32Array
from clip_emotion.data.faces.options import FaceOptions
from clip_emotion.data.faces.parts import SKIPPED, Part, PartChooser
from clip_emotion.data.video import Damage, Frame
from clip_emotion.errors import UsageError
from clip_emotion.retrieval.labelling.stream import Preprocess, middle
from clip_emotion.retrieval.labelling.thumbnails import around, small
from clip_emotion.retrieval.video.appearance import appearance
from clip_emotion.types import FaceBox

CUT = 160
"""The longer side in pixels of a face that is kept for a page."""


@dataclass(frozen=True)
class Kept:
    """What is kept of a frame beside its faces' pixels: small pictures of the faces, or all of it."""

    faces: bool = False
    frames: bool = False


@dataclass(frozen=True, slots=True)
class Seen:
    """One face of a frame, or the whole frame where there is no ``box``: the encoder's pixels [3, H, W] of it."""

    pixels: Any
    appearance: Float32Array
    box: FaceBox | None
    confidence: float | None = None
    note: str = ""
    cut: Image.Image | None = None


@dataclass(frozen=True, slots=True)
class Looked:
    """What was seen in one frame, and why nothing was."""

    frame: Frame | Damage
    seen: tuple[Seen, ...] = ()
    note: str = ""
    error: str | None = None
    image: Image.Image | None = None


def of_videos(options: FaceOptions) -> FaceOptions:
    """Return the face options as they hold for frames: every face that is there, and no words where there is none.

    ``none`` stays the whole frame, and ``require`` the largest face. Raises UsageError for boxes that a person gave.
    """
    if options.boxes is not None:
        raise UsageError("--boxes names the faces of pictures: leave it out for videos.")
    mode = "each" if options.mode == "auto" else options.mode
    return replace(options, mode=mode, no_face="skip")


class Looker:
    """Looks at frames; one object serves many threads."""

    def __init__(self, preprocess: Preprocess, options: FaceOptions, kept: Kept | None = None) -> None:
        self.choose: Callable[[Image.Image, str], list[Part]] = PartChooser(of_videos(options))
        self.preprocess = preprocess
        self.kept = kept or Kept()

    def __call__(self, frame: Frame | Damage) -> Looked:
        """Return what is seen in a frame; one that cannot be used has an error."""
        if isinstance(frame, Damage):
            return Looked(frame, error=frame.error)
        try:
            image = frame.image()
            parts = self.choose(image, "")
            seen = tuple(self._seen(image, part.image, part) for part in parts if part.image is not None)
        except (OSError, ValueError, MemoryError) as error:
            return Looked(frame, error=f"The frame cannot be prepared for the model ({error}).")
        return Looked(frame, seen, "" if seen else SKIPPED, image=image if self.kept.frames else None)

    def _seen(self, image: Image.Image, crop: Image.Image, part: Part) -> Seen:
        box, confidence = (part.face.box, part.face.confidence) if part.face is not None else (None, None)
        cut = None
        if self.kept.faces:
            cut = small(image if box is None else around(image, box), CUT)
        return Seen(self.preprocess(middle(crop)), appearance(crop), box, confidence, part.note, cut)
