"""COCO: one JSON file of images, faces as annotations, and words as categories (https://cocodataset.org/#format-data).

A face without a word has the category ``face``. What COCO has no field for stands beside its own: the words with their
probabilities, what the model said and what people said.
"""

from __future__ import annotations

import json
from typing import Any

from clip_emotion.retrieval.exports.records import FaceLabels, LabelledImage
from clip_emotion.retrieval.exports.run import ExportRun

ANNOTATIONS = "annotations.json"
WORDLESS = "face"


def write(run: ExportRun) -> None:
    """Write the annotations, and the images that are copied or linked."""
    images: list[dict[str, Any]] = []
    annotations: list[dict[str, Any]] = []
    categories: dict[str, int] = {}
    for image in run.images():
        width, height = image.size or (1, 1)
        place = run.media.place(image)
        number = len(images) + 1
        images.append(
            {"id": number, "file_name": place, "width": width, "height": height, "license": 1, "path": image.path}
        )
        for face in image.faces:
            category = categories.setdefault(face.word or WORDLESS, len(categories) + 1)
            annotations.append(
                {"id": len(annotations) + 1, "image_id": number, "category_id": category, **_of(face, image)}
            )
    content = {
        "info": _info(run),
        "licenses": [{"id": 1, "name": run.options.origin.licence or "unknown", "url": ""}],
        "images": images,
        "annotations": annotations,
        "categories": [
            {"id": number, "name": word, "supercategory": "emotion", "shown": run.words.name(word)}
            for word, number in categories.items()
        ],
    }
    text = json.dumps(content, ensure_ascii=False, allow_nan=False, indent=1)
    (run.folder / ANNOTATIONS).write_text(text + "\n", "utf-8")


def _info(run: ExportRun) -> dict[str, Any]:
    tally = run.tally
    return {
        "description": run.options.origin.title or "Faces and emotion words, exported by clip-emotion",
        "version": "1",
        "contributor": "; ".join(tally.people),
        "model": "; ".join(tally.models),
        "vocabulary": "; ".join(tally.vocabularies),
    }


def _of(face: FaceLabels, image: LabelledImage) -> dict[str, Any]:
    width, height = image.size or (1, 1)
    box = face.region.to_dict()["box"] or [0, 0, width, height]
    return {
        "bbox": box,
        "area": box[2] * box[3],
        "iscrowd": 0,
        "segmentation": [],
        "score": face.best.probability if face.best else None,
        "words": {word.label: word.probability for word in face.words},
        "predicted": face.predicted,
        "judged": {one.by or str(number): one.word for number, one in enumerate(face.judgements)},
        "by": face.by,
    }
