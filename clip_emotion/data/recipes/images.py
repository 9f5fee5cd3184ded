"""Picture layouts: class folders, a table of path and label, and FER-2013's table of pixel strings."""

from __future__ import annotations

import io
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import replace
from functools import partial
from pathlib import PurePosixPath

import numpy as np
from datasets import ClassLabel, Features, Image, Value
from PIL import Image as PillowImage

from clip_emotion.data.cards import Card
from clip_emotion.data.content_keys import pixel_key
from clip_emotion.data.layouts import RawImage, in_class_folder, in_table, is_image, split_in_cell
from clip_emotion.data.path_names import path_fault
from clip_emotion.data.recipes.base import Reading, Request, Row, Skipped, match_labels
from clip_emotion.data.sources import Source
from clip_emotion.data.tables import Table, find_table, is_table
from clip_emotion.errors import ImageError
from clip_emotion.vocabulary import Vocabulary

MAX_SIDE = 1024


def read_image_folder(source: Source, request: Request) -> Reading | None:
    """Read ``[split/]class/picture`` at any depth; file-name beginnings on the card decide the split before folders."""
    names = [name for name in source.names() if is_image(name) and "/" in name]
    if not names:
        return None
    images = [_in_class_folder(source, request, name) for name in names]
    others = Counter(_suffix(name) for name in source.names() if not is_image(name) and not is_table(name))
    return replace(_reading("image_folder", source, request, images), passed_over=others)


def _suffix(name: str) -> str:
    return PurePosixPath(name).suffix.lower() or "without a suffix"


def _in_class_folder(source: Source, request: Request, name: str) -> RawImage:
    image = in_class_folder(source, name)
    by_prefix = split_by_prefix(request.card, PurePosixPath(name).name)
    return replace(image, split=by_prefix or image.split or request.default_split)


def split_by_prefix(card: Card, file: str) -> str | None:
    """Return the split that the beginning of a file's name tells, by the card's ``file_prefixes``, or None."""
    return next((split for beginning, split in card.file_prefixes.items() if file.startswith(beginning)), None)


def read_image_table(source: Source, request: Request) -> Reading | None:
    """Read a table whose rows name a picture, its label and perhaps its split; paths are relative to the table."""
    table = _table_with(source, request.card, ("path", "label"))
    if table is None:
        return None
    rows = [(line, cells) for line, cells in table.rows()]
    short = [
        Skipped(request.default_split, f"{table.name}:{line}", "too few cells") for line, cells in rows if not cells
    ]
    images = [_in_table(source, request, table.name, cells) for _, cells in rows if cells]
    return _reading("image_csv", source, request, images, short)


def _in_table(source: Source, request: Request, table: str, cells: dict[str, str]) -> RawImage:
    image = in_table(source, table, cells["path"], cells["label"], cells.get("split"))
    return replace(image, split=image.split or request.default_split)


def read_pixel_table(source: Source, request: Request) -> Reading | None:
    """Read Kaggle's ``fer2013.csv``: columns emotion, pixels (grey values of a square, row by row) and Usage."""
    table = _table_with(source, request.card, ("label", "pixels", "split"))
    if table is None:
        return None
    vocabulary, places = match_labels(request, request.card.label_map)
    rows = _pixel_rows(table, request, places)
    return Reading("pixel_csv", image_features(vocabulary), rows, vocabulary)


def _pixel_rows(table: Table, request: Request, places: dict[str, int]) -> Iterator[Row | Skipped]:
    for line, cells in table.rows():
        name = f"{table.name}:{line}"
        split = split_in_cell(cells.get("split") if cells else None) or request.default_split
        place = places.get(cells["label"].strip()) if cells else None
        if cells is None or place is None:
            reason = f"unknown emotion code '{cells['label']}'" if cells else "too few cells"
            yield Skipped(split, name, reason)
            continue
        image = RawImage(split, "", name, partial(png_of_pixels, cells["pixels"]))
        yield image_row(image, place, table.name)


def png_of_pixels(text: str) -> bytes:
    """Turn a square's grey values, as numbers between white space, into a PNG; raises ImageError when they are not."""
    try:
        values = np.array(text.split(), dtype=np.int64)
    except (ValueError, OverflowError) as error:
        raise ImageError("pixels that are not whole numbers") from error
    side = int(len(values) ** 0.5)
    if not 0 < side <= MAX_SIDE or side * side != len(values):
        raise ImageError(f"{len(values)} pixels, which make no square")
    if values.min() < 0 or values.max() > 255:
        raise ImageError("grey values outside 0 to 255")
    buffer = io.BytesIO()
    PillowImage.fromarray(values.astype(np.uint8).reshape(side, side)).save(buffer, "PNG")
    return buffer.getvalue()


def image_row(image: RawImage, place: int, origin: str) -> Row | Skipped:
    """Open one picture, hash its upright RGB pixels and see whether it is blank; say why where it cannot be used."""
    fault = path_fault(image.split)
    if fault:
        return Skipped(image.split, image.path, f"the split '{image.split[:60]}' can name no folder: {fault}")
    try:
        content = image.load()
        key, blank = pixel_key(content)
    except ImageError as error:
        return Skipped(image.split, image.path, str(error))
    cells = {
        "image": {"bytes": content, "path": PurePosixPath(image.path).name},
        "label": place,
        "path": image.path,
        "source": origin,
        "sha": key,
    }
    return Row(image.split, cells, key, str(place), blank)


def image_features(vocabulary: Vocabulary) -> Features:
    """Return the columns of a prepared picture set: image, label, path, source, sha."""
    return Features(
        {
            "image": Image(),
            "label": ClassLabel(names=list(vocabulary.keys)),
            "path": Value("string"),
            "source": Value("string"),
            "sha": Value("string"),
        }
    )


def _reading(
    layout: str, source: Source, request: Request, images: list[RawImage], skipped: Iterable[Skipped] = ()
) -> Reading:
    vocabulary, places = match_labels(request, (image.raw_label for image in images))

    def rows() -> Iterator[Row | Skipped]:
        yield from skipped
        for image in images:
            yield image_row(image, places[image.raw_label], source.location.name)

    return Reading(layout, image_features(vocabulary), rows(), vocabulary)


def _table_with(source: Source, card: Card, required: tuple[str, ...]) -> Table | None:
    tables = (find_table(source, name, card.columns, required) for name in source.names() if is_table(name))
    return next((table for table in tables if table), None)
