"""Label Studio's JSON and JSON-MIN exports: what each person chose for each face of each image.

Tasks that ``export label-studio`` made carry the path and the model's words along. Others are taken too: their images
are found by their URL, and any choice on an image or a rectangle, or a rectangle's own label, is a word.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from clip_emotion.errors import DataError
from clip_emotion.retrieval.exports.label_studio import EMOTION, FACE, IMAGE, WHOLE
from clip_emotion.retrieval.exports.records import FaceLabels, LabelledImage
from clip_emotion.retrieval.imports.places import image_file, path_in_url
from clip_emotion.retrieval.imports.records import Correction, Returned
from clip_emotion.text import nfc, read_text
from clip_emotion.types import FaceBox, FaceRegion, ScoredLabel

RECTANGLES = ("rectanglelabels", "rectangle")
FAULTS = (KeyError, TypeError, ValueError, AttributeError, IndexError, ArithmeticError)


def read_label_studio(file: Path, images: Path | None) -> Returned:
    """Read such an export; raises DataError where it is none."""
    try:
        tasks = json.loads(read_text(file))
    except (ValueError, RecursionError) as error:
        raise DataError(f"{file} is no JSON: export it from Label Studio as JSON or JSON-MIN.") from error
    if not isinstance(tasks, list) or not all(isinstance(task, dict) for task in tasks):
        raise DataError(f"{file} is no list of tasks: export it from Label Studio as JSON or JSON-MIN.")
    corrections: list[Correction] = []
    found: dict[str, LabelledImage] = {}
    errors: list[str] = []
    for number, values in enumerate(tasks, 1):
        where = f"{file.name}, task {values.get('id', number)}"
        try:
            task = _Task.of(values, where, images)
            said = list(task.corrections())
        except DataError as error:
            errors.append(f"{where}: {error}")
            continue
        except FAULTS as error:
            errors.append(f"{where}: no task as Label Studio exports it ({type(error).__name__})")
            continue
        corrections += said
        found.setdefault(task.image.path, task.image)
    return Returned(tuple(corrections), tuple(found.values()), tuple(errors))


@dataclass(frozen=True)
class _Task:
    """One task: its image with the model's words, and the fields of its record."""

    values: Mapping[str, Any]
    where: str
    image: LabelledImage
    ids: Mapping[str, int]

    @classmethod
    def of(cls, values: Mapping[str, Any], where: str, images: Path | None) -> _Task:
        data = values["data"] if "annotations" in values else values
        path = nfc(str(data.get("path") or path_in_url(str(data[IMAGE]), images)))
        faces = _listed(data.get("faces"))
        size = data.get("size")
        image = LabelledImage(
            path,
            image_file(path, images),
            tuple(map(_face, faces)),
            str(data.get("model") or ""),
            str(data.get("vocabulary") or ""),
            (int(size[0]), int(size[1])) if size else None,
        )
        return cls(values, where, image, {str(face["id"]): at for at, face in enumerate(faces)})

    def corrections(self) -> Iterator[Correction]:
        if "annotations" not in self.values:
            yield from self._flat()
            return
        for annotation in self.values["annotations"]:
            if not annotation.get("was_cancelled"):
                by, when = _person(annotation.get("completed_by")), str(annotation.get("updated_at") or "")
                yield from self._of_results(annotation.get("result") or [], by, when)

    def _of_results(self, results: Sequence[Mapping[str, Any]], by: str, when: str) -> Iterator[Correction]:
        boxes = {one["id"]: self._box(one["value"], one) for one in results if one.get("type") in RECTANGLES}
        words: dict[str, tuple[str, FaceBox | None]] = {}
        for one in results:
            if one.get("type") == "rectanglelabels":
                labels = [label for label in one["value"].get("rectanglelabels", []) if label != FACE]
                if labels:
                    words.setdefault(one["id"], (labels[0], boxes[one["id"]]))
        for one in results:
            if one.get("type") == "choices" and one["value"].get("choices"):
                words[one["id"]] = one["value"]["choices"][0], boxes.get(one["id"])
        for name, (word, box) in words.items():
            yield self._said(word, by, when, self.ids.get(name), box)

    def _flat(self) -> Iterator[Correction]:
        """Yield what a task of JSON-MIN says, in which words and rectangles stand in two lists of one order."""
        by, when = _person(self.values.get("annotator")), str(self.values.get("updated_at") or "")
        rectangles = _listed(self.values.get(FACE))
        words = [word for word in map(_word, _listed(self.values.get(EMOTION))) if word]
        if len(words) not in (0, len(rectangles)):
            raise DataError(
                f"{len(words)} words for {len(rectangles)} faces, and JSON-MIN does not say which is whose: export "
                "from Label Studio as JSON"
            )
        for rectangle, word in zip(rectangles, words, strict=False):
            yield self._said(word, by, when, None, self._box(rectangle, rectangle))
        for word in filter(None, map(_word, _listed(self.values.get(WHOLE)))):
            yield self._said(word, by, when, None, None)

    def _said(self, word: str, by: str, when: str, at: int | None, box: FaceBox | None) -> Correction:
        index = None if at is None else self.image.faces[at].region.index
        return Correction(self.image.path, nfc(str(word)).strip(), by, when, index, box, self.where)

    def _box(self, place: Mapping[str, Any], sized: Mapping[str, Any]) -> FaceBox:
        width, height = self.image.size or (sized["original_width"], sized["original_height"])
        x, y = round(place["x"] * width / 100), round(place["y"] * height / 100)
        return FaceBox(x, y, max(1, round(place["width"] * width / 100)), max(1, round(place["height"] * height / 100)))


def _face(said: Mapping[str, Any]) -> FaceLabels:
    box = None if said.get("box") is None else FaceBox(*map(int, said["box"]))
    region = FaceRegion(said.get("index"), box, None, "whole" if box is None else "face")
    word = said.get("word")
    if not word:
        return FaceLabels(region)
    return FaceLabels(region, (ScoredLabel(str(word), str(word), float(said.get("probability") or 0), 0.0),))


def _person(who: Any) -> str:
    """Return how a person is called: by e-mail or name where the export has them, else by number."""
    if isinstance(who, Mapping):
        return str(who.get("email") or who.get("username") or who.get("id") or "")
    return "" if who is None else str(who)


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [] if value is None else [value]


def _word(value: Any) -> str:
    if isinstance(value, Mapping):
        value = (value.get("choices") or [""])[0]
    return str(value)
