"""AI-Hub's 한국인 감정인식을 위한 복합 영상: JSON lists of records beside the pictures, three annotators each."""

from __future__ import annotations

import io
import json
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import PurePosixPath
from statistics import median
from typing import Any

from datasets import Sequence, Value
from PIL import Image

from clip_emotion.data.cards import Card
from clip_emotion.data.faces.crop import LARGEST_CROP, crop_box
from clip_emotion.data.images import open_image
from clip_emotion.data.layouts import RawImage, is_image, split_of_file
from clip_emotion.data.recipes.base import Reading, Request, Row, Skipped, place_of, vocabularies_for
from clip_emotion.data.recipes.images import image_features, image_row
from clip_emotion.data.sources import Source, open_table
from clip_emotion.errors import DataError, ImageError
from clip_emotion.text import nfc
from clip_emotion.types import FaceBox
from clip_emotion.vocabulary import Vocabulary

ANNOTATORS = ("A", "B", "C")
SIDES = ("minX", "minY", "maxX", "maxY")
FACTS = {"gender": "gender", "occupation": "isProf", "background": "bg_uploader"}
"""Our columns of text and the records' keys; ``age`` is a number beside them, the decade as it is published."""
QUALITY = 95
Record = Mapping[str, Any]


def read_aihub(source: Source, request: Request) -> Reading | None:
    """Read ``img_emotion_…_data(감정).json`` and the pictures that it names, wherever they lie, cut to their faces.

    A row's label is what most of the annotators said, and where they are of as many minds the uploader's word if it is
    one of theirs; ``votes`` counts the annotators' words in the order of the classes. Raises DataError for a file that
    is no such list.
    """
    files = [name for name in source.names() if name.lower().endswith(".json")]
    if not files or not any(map(_is_record, _records(source, files[0])[:1])):
        return None
    vocabulary = vocabularies_for(request)[0]
    features = image_features(vocabulary)
    features |= {"age": Value("int32"), **{column: Value("string") for column in FACTS}}
    features["votes"] = Sequence(Value("int32"))
    return Reading("aihub_json", features, _rows(source, request, files, vocabulary), vocabulary)


def _records(source: Source, name: str) -> list[Any]:
    with open_table(source, name) as stream:
        raw = stream.read()
    for encoding in ("utf-8-sig", "cp949"):
        try:
            found = json.loads(raw.decode(encoding))
        except UnicodeDecodeError:
            continue
        except (ValueError, RecursionError) as error:
            raise DataError(f"{name} is no readable JSON: fetch it again.") from error
        if isinstance(found, list):
            return found
        raise DataError(f"{name} holds no list of records: give the label files of AI-Hub's set as they came.")
    raise DataError(f"{name} is neither UTF-8 nor CP949 text: fetch it again.")


def _is_record(record: Any) -> bool:
    return isinstance(record, dict) and "filename" in record and "faceExp_uploader" in record


def _rows(source: Source, request: Request, files: list[str], vocabulary: Vocabulary) -> Iterator[Row | Skipped]:
    images = {PurePosixPath(name).name: name for name in source.names() if is_image(name)}
    for file in files:
        split = split_of_file(file) or request.default_split
        for number, record in enumerate(_records(source, file), start=1):
            if not _is_record(record):
                yield Skipped(split, f"{file}:{number}", "no record with filename and faceExp_uploader")
                continue
            path = nfc(PurePosixPath(str(record["filename"]).replace("\\", "/")).name)
            if path not in images:
                yield Skipped(split, path, f"{file} lists it, but it is not there")
                continue
            image = RawImage(split, "", images[path], partial(source.read, images[path]))
            yield _row(source, image, record, vocabulary, request.card)


def _row(source: Source, image: RawImage, record: Record, vocabulary: Vocabulary, card: Card) -> Row | Skipped:
    marks = [_annotation(record, letter) for letter in ANNOTATORS]
    said = [_place(emotion, vocabulary, card) for emotion, _ in marks if emotion]
    votes = Counter(place for place in said if place is not None)
    place = _label(votes, _place(record["faceExp_uploader"], vocabulary, card))
    if place is None:
        words = ", ".join(str(emotion) for emotion, _ in marks)
        return Skipped(image.split, image.path, f"no label that most give ({words}; {record['faceExp_uploader']})")
    boxes = [box for _, box in marks if box is not None]
    cut = RawImage(image.split, "", image.path, partial(_face, image, boxes))
    row = image_row(cut, place, source.location.name)
    if isinstance(row, Skipped):
        return row
    row.cells["age"] = _age(record.get("age"))
    for column, key in FACTS.items():
        row.cells[column] = nfc(str(record[key]).strip()) if record.get(key) is not None else None
    row.cells["votes"] = [votes[at] for at in range(len(vocabulary))]
    return row


def _annotation(record: Record, letter: str) -> tuple[str, tuple[float, ...] | None]:
    """Return an annotator's emotion and box, from ``annot_A`` as the files have it or as AI-Hub's page describes it."""
    named = (record.get(f"{beginning}_{letter}") for beginning in ("annot", "faceBB"))
    own: Mapping[str, Any] = next((one for one in named if isinstance(one, dict)), {})
    boxes = own.get("boxes", own)
    boxes = boxes if isinstance(boxes, dict) else {}
    emotion = own.get("faceExp") or record.get(f"faceExp_{letter}") or boxes.get("label") or ""
    try:
        return str(emotion), tuple(float(boxes[side]) for side in SIDES)
    except (KeyError, TypeError, ValueError):
        return str(emotion), None


def _place(emotion: Any, vocabulary: Vocabulary, card: Card) -> int | None:
    return place_of(nfc(str(emotion)), vocabulary, card.label_map) if emotion else None


def _label(votes: Counter[int], uploader: int | None) -> int | None:
    if not votes:
        return uploader
    most = max(votes.values())
    leading = [place for place, count in votes.items() if count == most]
    return leading[0] if len(leading) == 1 else uploader if uploader in leading else None


def _age(value: Any) -> int | None:
    found = re.match(r"\s*(\d{1,3})", str(value))
    return int(found[1]) if found else None


def _face(image: RawImage, boxes: list[tuple[float, ...]]) -> bytes:
    """Return the picture cut to the median of the boxes, as JPEG; as it is where there are none."""
    content = image.load()
    if not boxes:
        return content
    picture = open_image(content)
    left, top, right, bottom = (median(side) for side in zip(*boxes, strict=True))
    # A box may end a pixel beyond the picture, as the annotators' tool counts.
    if not (0 <= left <= right - 1 <= picture.width and 0 <= top <= bottom - 1 <= picture.height):
        raise ImageError(f"its box {left:g}, {top:g}, {right:g}, {bottom:g} is not in the {picture.size} picture")
    face = crop_box(picture, FaceBox(round(left), round(top), round(right - left), round(bottom - top)))
    if face.width > LARGEST_CROP:
        face = face.resize((LARGEST_CROP, LARGEST_CROP), Image.Resampling.BICUBIC)
    buffer = io.BytesIO()
    face.save(buffer, "JPEG", quality=QUALITY)
    return buffer.getvalue()
