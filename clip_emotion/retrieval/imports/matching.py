"""People's words laid beside the model's: which face of which image each of them means."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path

from clip_emotion.errors import DataError
from clip_emotion.retrieval.exports.records import FaceLabels, Judgement, KnownWords, LabelledImage
from clip_emotion.retrieval.imports.places import image_file
from clip_emotion.retrieval.imports.records import Correction
from clip_emotion.retrieval.labelling.row_files import place_of
from clip_emotion.types import FaceBox, FaceRegion

LEAST_OVERLAP = 0.5
"""The intersection over union from which two boxes are of one face."""


def matched(
    images: Iterable[LabelledImage], corrections: Sequence[Correction], words: KnownWords
) -> tuple[list[LabelledImage], list[str]]:
    """Return images with what people said of their faces, and the corrections that fit none, each in a sentence.

    A face is known by its number, else by a box that covers it, else by being the only one; a box that covers none is
    a face that people found. A person's later word for a face replaces an earlier one.
    """
    known = list(images)
    # By the file, too: the path of a row may begin in another folder than that of a judgement.
    at = {place_of(str(image.file)): number for number, image in enumerate(known)}
    at |= {place_of(image.path): number for number, image in enumerate(known)}
    faces = [list(image.faces) for image in known]
    errors: list[str] = []
    for correction in sorted(corrections, key=lambda one: one.when):
        number = at.get(place_of(correction.path))
        if number is None:
            errors.append(f"{correction.where}: {correction.path} is in none of the rows")
            continue
        face = _face_of(faces[number], correction)
        if face is None:
            errors.append(f"{correction.where}: {correction.path} has several faces: say which by face_index or a box")
            continue
        said = Judgement(words.key(correction.word), correction.by, correction.when)
        faces[number][face] = _judged(faces[number][face], said)
    return [replace(image, faces=tuple(own)) for image, own in zip(known, faces, strict=True)], errors


def images_of(corrections: Iterable[Correction], images: Path | None) -> tuple[list[LabelledImage], list[str]]:
    """Return the images that corrections speak of, without any word of a model, and those that are not there."""
    found: dict[str, LabelledImage] = {}
    errors: list[str] = []
    for correction in corrections:
        if correction.path not in found:
            try:
                found[correction.path] = LabelledImage(correction.path, image_file(correction.path, images))
            except DataError as error:
                errors.append(f"{correction.where}: {correction.path}: {error}")
    return list(found.values()), errors


def _face_of(faces: list[FaceLabels], correction: Correction) -> int | None:
    """Return the place of the face that is meant, made where people found it; None where that cannot be told."""
    for at, face in enumerate(faces):
        if correction.index is not None and face.region.index == correction.index:
            return at
    if correction.box is not None:
        boxes = [(overlap(face.region.box, correction.box), -at) for at, face in enumerate(faces) if face.region.box]
        best, place = max(boxes, default=(0.0, 0))
        if best >= LEAST_OVERLAP:
            return -place
    elif correction.index is None and len(faces) == 1:
        return 0
    elif faces and correction.index is None:
        wholes = [at for at, face in enumerate(faces) if face.region.box is None]
        return wholes[0] if len(wholes) == 1 else None
    part = FaceRegion(correction.index, correction.box, None, "whole" if correction.box is None else "face")
    faces.append(FaceLabels(part))
    return len(faces) - 1


def _judged(face: FaceLabels, said: Judgement) -> FaceLabels:
    others = tuple(one for one in face.judgements if not said.by or one.by != said.by)
    return replace(face, judgements=(*others, said))


def overlap(first: FaceBox, second: FaceBox) -> float:
    """Return the intersection over union of two boxes."""
    across = min(first.x + first.width, second.x + second.width) - max(first.x, second.x)
    down = min(first.y + first.height, second.y + second.height) - max(first.y, second.y)
    both = max(0, across) * max(0, down)
    return both / (first.width * first.height + second.width * second.height - both)
