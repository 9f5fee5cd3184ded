"""FiftyOne: a folder that ``fiftyone.Dataset.from_dir(…, fiftyone.types.FiftyOneDataset)`` opens.

It is FiftyOne's own form: ``metadata.json`` describes the fields, ``samples.json`` holds a document an image.
Both are MongoDB's extended JSON, and a vector is a NumPy file, compressed by zlib. FiftyOne itself is not needed here.
"""

from __future__ import annotations

import base64
import hashlib
import io
import json
import zlib
from typing import Any

import numpy as np

from clip_emotion.retrieval.exports.records import FaceLabels, LabelledImage
from clip_emotion.retrieval.exports.run import ExportRun
from clip_emotion.types import FaceBox

VERSION = "1.0.0"
"""The release whose form this is; newer ones bring it up to date as they read it."""
METADATA, SAMPLES, DATA = "metadata.json", "samples.json", "data"
PREDICTIONS, FACES, CONFIRMED, EMBEDDING = "predictions", "faces", "ground_truth", "embedding"
"""Fields of a sample: the word of the image or its largest face, all faces, people's word, the largest one's vector."""

Document = dict[str, Any]


def write(run: ExportRun) -> None:
    """Write the samples, one by one, and the description of their fields."""
    with (run.folder / SAMPLES).open("w", encoding="utf-8") as file:
        file.write('{"samples": [')
        for number, image in enumerate(run.images()):
            file.write(",\n" if number else "\n")
            json.dump(_sample(run, image, number), file, ensure_ascii=False, allow_nan=False)
        file.write("\n]}\n")
    (run.folder / METADATA).write_text(json.dumps(_metadata(run), ensure_ascii=False, allow_nan=False), "utf-8")


def _sample(run: ExportRun, image: LabelledImage, number: int) -> Document:
    width, height = image.size or (1, 1)
    place = run.media.place(image, DATA)
    first = image.faces[0] if image.faces else FaceLabels()
    boxed = [(at, face, face.region.box) for at, face in enumerate(image.faces) if face.region.box is not None]
    found = [_detection(f"{number}/{at}", face, box, (width, height)) for at, face, box in boxed]
    sample: Document = {
        "_id": _object_id(f"sample/{number}"),
        "filepath": place,
        "tags": [],
        "metadata": {"_cls": "ImageMetadata", "width": width, "height": height},
        "_media_type": "image",
        "_rand": int(hashlib.sha256(image.path.encode("utf-8", "replace")).hexdigest()[:8], 16) / 2**32,
        "path": image.path,
        PREDICTIONS: _classification(f"{number}/predicted", first),
        FACES: {"_cls": "Detections", "detections": found} if found else None,
        CONFIRMED: None,
        EMBEDDING: None if first.vector is None else _vector(first.vector),
    }
    if first.confirmed is not None:
        sample[CONFIRMED] = _label("Classification", f"{number}/confirmed", first.confirmed, judged_by=first.by)
    return sample


def _classification(name: str, face: FaceLabels) -> Document | None:
    best = face.best
    return _label("Classification", name, best.label, best.probability, **_words(face)) if best else None


def _detection(name: str, face: FaceLabels, box: FaceBox, size: tuple[int, int]) -> Document:
    width, height = size
    place = [box.x / width, box.y / height, box.width / width, box.height / height]
    word = face.word or "face"
    sure = face.best.probability if face.best else face.region.confidence
    detection = _label("Detection", f"face/{name}", word, sure, bounding_box=place, **_words(face))
    detection |= {"attributes": {}, "index": face.region.index, "predicted": face.predicted, "judged_by": face.by}
    if face.vector is not None:
        detection[EMBEDDING] = _vector(face.vector)
    return detection


def _label(kind: str, name: str, word: str, confidence: float | None = None, **more: Any) -> Document:
    return {"_id": _object_id(name), "_cls": kind, "tags": [], "label": word, "confidence": confidence, **more}


def _words(face: FaceLabels) -> Document:
    return {
        "words": [word.label for word in face.words],
        "names": [word.name for word in face.words],
        "probabilities": [word.probability for word in face.words],
    }


def _vector(vector: np.ndarray[Any, Any]) -> Document:
    stream = io.BytesIO()
    np.save(stream, vector.astype(np.float32), allow_pickle=False)
    content = base64.b64encode(zlib.compress(stream.getvalue())).decode("ascii")
    return {"$binary": {"base64": content, "subType": "00"}}


def _object_id(name: str) -> Document:
    """Return a document's id, 12 bytes that follow from its name, so that equal exports are equal files."""
    return {"$oid": hashlib.sha256(name.encode("utf-8", "replace")).hexdigest()[:24]}


def _metadata(run: ExportRun) -> Document:
    classes = [*run.words.names]
    tally = run.tally
    return {
        "_id": _object_id("dataset"),
        "name": run.target.name,
        "slug": run.target.name,
        "version": VERSION,
        "persistent": False,
        "media_type": "image",
        "group_media_types": {},
        "tags": [],
        "info": {
            "model": "; ".join(tally.models),
            "vocabulary": "; ".join(tally.vocabularies),
            "names": [{"key": key, "name": name} for key, name in run.words.names.items()],
        },
        "app_config": {"grid_media_field": "filepath", "media_fields": ["filepath"], "modal_media_field": "filepath"},
        "classes": {PREDICTIONS: classes, CONFIRMED: classes},
        "default_classes": classes,
        "mask_targets": {},
        "default_mask_targets": {},
        "skeletons": {},
        "sample_fields": _fields(),
        "frame_fields": [],
        "saved_views": [],
        "workspaces": [],
        "annotation_runs": {},
        "brain_methods": {},
        "evaluations": {},
        "runs": {},
    }


def _fields() -> list[Document]:
    lists = {"words": "String", "names": "String", "probabilities": "Float"}
    label = [_field("id", "ObjectId", stored="_id"), _list("tags", "String"), _field("label", "String")]
    label += [_field("confidence", "Float"), *(_list(name, kind) for name, kind in lists.items())]
    detection = [
        *label, _list("bounding_box", "Float"), _field("attributes", "Dict"), _field("index", "Int"),
        _field("predicted", "String"), _field("judged_by", "String"), _field(EMBEDDING, "Vector"),
    ]  # fmt: skip
    size = [_field("width", "Int"), _field("height", "Int")]
    found = _list("detections", "EmbeddedDocument", document="labels.Detection", fields=detection)
    return [
        _field("id", "ObjectId", stored="_id"), _field("filepath", "String"), _list("tags", "String"),
        _document("metadata", "metadata.ImageMetadata", size), _field("_media_type", "String"),
        _field("_rand", "Float"), _field("_dataset_id", "ObjectId"), _field("created_at", "DateTime", read_only=True),
        _field("last_modified_at", "DateTime", read_only=True), _field("path", "String"),
        _document(PREDICTIONS, "labels.Classification", label), _document(FACES, "labels.Detections", [found]),
        _document(CONFIRMED, "labels.Classification", [*label, _field("judged_by", "String")]),
        _field(EMBEDDING, "Vector"),
    ]  # fmt: skip


def _document(name: str, kind: str, fields: list[Document]) -> Document:
    return {**_field(name, "EmbeddedDocument"), "embedded_doc_type": f"fiftyone.core.{kind}", "fields": fields}


def _list(name: str, of: str, document: str | None = None, fields: list[Document] | None = None) -> Document:
    kind = document and f"fiftyone.core.{document}"
    subfield = f"fiftyone.core.fields.{of}Field"
    return {**_field(name, "List"), "subfield": subfield, "embedded_doc_type": kind, "fields": fields or []}


def _field(name: str, kind: str, *, stored: str = "", read_only: bool = False) -> Document:
    return {
        "name": name, "ftype": f"fiftyone.core.fields.{kind}Field", "embedded_doc_type": None, "subfield": None,
        "fields": [], "db_field": stored or name, "description": None, "info": None, "read_only": read_only,
        "created_at": None,
    }  # fmt: skip
