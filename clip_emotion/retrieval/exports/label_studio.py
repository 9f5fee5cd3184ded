"""Label Studio: tasks whose predictions a person corrects, and the labelling configuration that shows them.

A face is a rectangle in per cent of the image, with the model's word as its choice; both share an id. What names a
prediction's ``model_version`` is needed: without one Label Studio takes tasks in and shows no prediction, in silence.
The layout is https://labelstud.io/guide/predictions, as its SDK checks it.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.parse import quote
from xml.etree import ElementTree

from clip_emotion.errors import UsageError
from clip_emotion.html import data_uri
from clip_emotion.retrieval.exports.records import FaceLabels, KnownWords, LabelledImage
from clip_emotion.retrieval.exports.run import ExportRun
from clip_emotion.text import has_hangul
from clip_emotion.vocabulary import Vocabulary, shipped_vocabularies

TASKS, CONFIG = "tasks.json", "labelling_config.xml"
IMAGE, FACE, EMOTION, WHOLE = "image", "face", "emotion", "image_emotion"
"""Names in the labelling configuration: the image, a face's rectangle, its word, and the word of a whole image."""
LOCAL_FILES = "/data/local-files/?d="
MEDIA_TYPES = {"JPG": "jpeg", "JPE": "jpeg", "JFIF": "jpeg", "TIF": "tiff", "ICO": "x-icon", "JP2": "jp2"}


def write(run: ExportRun) -> None:
    """Write the tasks, one by one, and the configuration."""
    images: Iterable[LabelledImage] = run.images()
    urls = run.options.urls
    root = urls.root or run.target.parent
    if urls.kind == "local-files" and urls.root is None and run.options.media == "refer":
        images = list(images)
        root = Path(os.path.commonpath([image.file.absolute().parent for image in images] or [root]))
    root = root.absolute()
    with (run.folder / TASKS).open("w", encoding="utf-8") as file:
        file.write("[")
        for number, image in enumerate(images):
            file.write(",\n" if number else "\n")
            json.dump(_task(image, _url(run, image, root)), file, ensure_ascii=False, allow_nan=False)
        file.write("\n]\n")
    _add_vocabularies(run.words, run.tally.vocabularies)
    (run.folder / CONFIG).write_text(labelling_config(run.words), "utf-8")
    if urls.kind == "local-files":
        run.tally.notes.append(
            "Start Label Studio with LABEL_STUDIO_LOCAL_FILES_SERVING_ENABLED=true and "
            f"LABEL_STUDIO_LOCAL_FILES_DOCUMENT_ROOT={root}, and add a local storage below that folder to the project."
        )


def _add_vocabularies(words: KnownWords, names: Iterable[str]) -> None:
    """Add the other words of shipped vocabularies: rows hold the best few alone, and people choose among all."""
    language = "ko" if any(map(has_hangul, words.names.values())) else "en"
    for name in names:
        if name in shipped_vocabularies():
            words.add_vocabulary(Vocabulary.load(name), language)


def labelling_config(words: KnownWords) -> str:
    """Return the labelling configuration: rectangles for faces, a word for each, a word for an image without any."""
    view = ElementTree.Element("View")
    ElementTree.SubElement(view, "Image", name=IMAGE, value=f"${IMAGE}", zoom="true")
    faces = ElementTree.SubElement(view, "RectangleLabels", name=FACE, toName=IMAGE)
    ElementTree.SubElement(faces, "Label", value=FACE)
    _choices(view, words, EMOTION, {"perRegion": "true"})
    _choices(view, words, WHOLE, {})
    ElementTree.indent(view)
    return ElementTree.tostring(view, encoding="unicode") + "\n"


def _choices(view: ElementTree.Element, words: KnownWords, name: str, more: dict[str, str]) -> None:
    settings = {"name": name, "toName": IMAGE, "choice": "single", "showInline": "true", **more}
    choices = ElementTree.SubElement(view, "Choices", settings)
    for key, shown in words.names.items():
        # What is stored is the key, what people read the name.
        ElementTree.SubElement(choices, "Choice", {"value": shown} | ({"alias": key} if key != shown else {}))


def _task(image: LabelledImage, url: str) -> dict[str, Any]:
    faces = [_said(number, face) for number, face in enumerate(image.faces)]
    data = {
        IMAGE: url, "path": image.path, "size": image.size, "faces": faces, "model": image.model,
        "vocabulary": image.vocabulary,
    }  # fmt: skip
    results = [part for number, face in enumerate(image.faces) for part in _results(number, face, image)]
    if not results:
        return {"data": data, "predictions": []}
    scores = [face.best.probability for face in image.faces if face.best]
    score = sum(scores) / len(scores) if scores else 0.0
    version = image.model or "clip-emotion"
    return {"data": data, "predictions": [{"model_version": version, "score": score, "result": results}]}


def _said(number: int, face: FaceLabels) -> dict[str, Any]:
    """Return what a task keeps of a face, by which corrections find their way back."""
    return {
        "id": f"face{number}", "index": face.region.index, "box": face.region.to_dict()["box"],
        "word": face.predicted, "probability": face.best.probability if face.best else None,
    }  # fmt: skip


def _results(number: int, face: FaceLabels, image: LabelledImage) -> list[dict[str, Any]]:
    width, height = image.size or (1, 1)
    box, word = face.region.box, face.predicted
    shared = {
        "id": f"face{number}", "to_name": IMAGE, "original_width": width, "original_height": height,
        "image_rotation": 0,
    }  # fmt: skip
    chosen, sure = {"choices": [word]}, {"score": face.best.probability} if face.best else {}
    if box is None:
        return [{**shared, "from_name": WHOLE, "type": "choices", "value": chosen, **sure}] if word else []
    left, top = max(0, box.x), max(0, box.y)
    right, bottom = min(width, box.x + box.width), min(height, box.y + box.height)
    place = {
        "x": 100 * left / width, "y": 100 * top / height, "width": 100 * max(0, right - left) / width,
        "height": 100 * max(0, bottom - top) / height, "rotation": 0,
    }  # fmt: skip
    rectangle = {"from_name": FACE, "type": "rectanglelabels", "value": {**place, "rectanglelabels": [FACE]}}
    choice = {"from_name": EMOTION, "type": "choices", "value": {**place, **chosen}, **sure}
    return [{**shared, **part} for part in ((rectangle, choice) if word else (rectangle,))]


def _url(run: ExportRun, image: LabelledImage, root: Path) -> str:
    urls = run.options.urls
    if urls.kind == "inline":
        suffix = image.file.suffix.upper().lstrip(".")
        kind = MEDIA_TYPES.get(suffix, suffix.lower() or "png")
        return data_uri(image.file.read_bytes(), f"image/{kind}")
    placed = run.media.place(image)
    if urls.kind == "upload":
        return urls.prefix + quote(PurePosixPath(placed).name)
    path = image.file.absolute() if run.options.media == "refer" else run.target / placed
    if not path.is_relative_to(root):
        raise UsageError(f"{path} lies outside of {root}: name a --document-root above all images, or copy them.")
    return LOCAL_FILES + quote(path.relative_to(root).as_posix())
