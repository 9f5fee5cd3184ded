"""A face as the cells of a row that is given away: what it shows, who said so, and no path or name of anybody's."""

from __future__ import annotations

from pathlib import PurePath
from typing import Any

from clip_emotion.retrieval.exports.records import FaceLabels, KnownWords, LabelledImage

BOX = ("face_x", "face_y", "face_width", "face_height")
COLUMNS = (
    "label", "name", "label_by", "judges", "predicted", "probability", "source_file", "face_index", *BOX, "model",
    "vocabulary",
)  # fmt: skip


def cells_of(image: LabelledImage, face: FaceLabels, words: KnownWords) -> dict[str, Any]:
    """Return the cells of ``COLUMNS``: people are counted, not named, and of a path the file's name is left."""
    word = face.word or ""
    box = face.region.to_dict()["box"] or [None] * 4
    return {
        "label": word,
        "name": words.name(word),
        "label_by": "people" if face.judgements else "model",
        "judges": len(face.judgements),
        "predicted": face.predicted,
        "probability": face.best.probability if face.best else None,
        "source_file": PurePath(image.path).name,
        "face_index": face.region.index,
        **dict(zip(BOX, box, strict=True)),
        "model": image.model,
        "vocabulary": image.vocabulary,
    }
