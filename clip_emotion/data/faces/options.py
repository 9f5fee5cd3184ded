"""Which part of a picture is labelled: its options, shared by every command that looks at faces."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from clip_emotion.data.faces.finder import FaceFinder, FinderOptions
from clip_emotion.data.faces.makers import DEFAULT_FINDER, make_finder
from clip_emotion.errors import UsageError
from clip_emotion.types import FaceBox

FACE_MODES = ("auto", "each", "none", "require")
NO_FACE_CHOICES = ("whole", "skip")


@dataclass(frozen=True)
class FaceOptions:
    """Which part of a picture is labelled.

    ``mode``: ``auto`` takes the largest face, ``each`` every face, ``none`` the whole picture, ``require`` the largest
    face and nothing where there is none. ``no_face`` says what becomes of a picture in which none is found: ``whole``
    labels all of it, ``skip`` gives it no words. ``max_faces`` is the most that ``each`` takes, the largest first, None
    for all. ``boxes`` names the faces of pictures instead of a finder; a picture that it does not name has none.
    """

    mode: str = "auto"
    finder: str = DEFAULT_FINDER
    min_face: float = FinderOptions.min_face
    max_faces: int | None = None
    no_face: str = "whole"
    boxes: Mapping[str, tuple[FaceBox, ...]] | None = None

    def __post_init__(self) -> None:
        for name, value, known in (
            ("face mode", self.mode, FACE_MODES),
            ("choice for pictures without a face", self.no_face, NO_FACE_CHOICES),
        ):
            if value not in known:
                raise UsageError(f"Unknown {name} '{value}': choose one of {', '.join(known)}.")
        if not 0 < self.min_face <= 1:
            raise UsageError(f"min_face is a share of the picture's shorter side, up to 1, not {self.min_face}.")
        if self.max_faces is not None and self.max_faces < 1:
            raise UsageError(f"max_faces must be at least 1, not {self.max_faces}.")

    @property
    def skips(self) -> bool:
        """Whether a picture without a face gets no words."""
        return self.mode == "require" or self.no_face == "skip"

    def written(self) -> str:
        """Return the options as one word for a row's settings: the mode, and what differs from the defaults."""
        usual = FaceOptions()
        chosen = {
            "finder": "boxes" if self.boxes is not None else self.finder.partition(":")[0],
            "min_face": f"{self.min_face:g}",
            "max_faces": str(self.max_faces),
            "no_face": self.no_face,
        }
        differing = [f"{name}:{value}" for name, value in chosen.items() if value != str(getattr(usual, name))]
        return "/".join([self.mode, *([] if self.mode == "none" else differing)])

    def make_finder(self) -> FaceFinder:
        """Return the finder that these options name; raises UsageError for an unknown one."""
        return make_finder(self.finder, FinderOptions(min_face=self.min_face, largest_only=self.mode != "each"))
