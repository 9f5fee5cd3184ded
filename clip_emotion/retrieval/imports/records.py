"""What a person said of a face, as a file that comes back tells it, before it is laid beside the model's words."""

from __future__ import annotations

from dataclasses import dataclass

from clip_emotion.retrieval.exports.records import LabelledImage
from clip_emotion.types import FaceBox


@dataclass(frozen=True, slots=True)
class Correction:
    """One word of one person: of which image, of which face (by number, by box or neither), and where it stands."""

    path: str
    word: str
    by: str = ""
    when: str = ""
    index: int | None = None
    box: FaceBox | None = None
    where: str = ""


@dataclass(frozen=True)
class Returned:
    """A file that came back: what people said, the images as the file knows them, and rows that say nothing usable.

    ``images`` hold the model's words where the file carries them; they stand in for rows of ``label``.
    """

    corrections: tuple[Correction, ...]
    images: tuple[LabelledImage, ...] = ()
    errors: tuple[str, ...] = ()
