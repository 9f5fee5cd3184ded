"""Faces that a person gives in a file instead of having them found."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path, PurePath

from clip_emotion.data.sources import open_source
from clip_emotion.data.tables import Table, find_table
from clip_emotion.errors import DataError
from clip_emotion.files import expanded
from clip_emotion.text import nfc
from clip_emotion.types import FaceBox

COLUMNS = {
    "path": ("path", "image", "file", "filename"),
    "x": ("x", "left", "face_x"),
    "y": ("y", "top", "face_y"),
    "width": ("width", "w", "face_width"),
    "height": ("height", "h", "face_height"),
}
"""Our columns and the headers they may stand under; the last ones are those of ``label``'s own CSV."""
Boxes = Mapping[str, tuple[FaceBox, ...]]


def read_boxes(path: Path) -> dict[str, tuple[FaceBox, ...]]:
    """Read a CSV or TSV with a row a face: path, x, y, width, height, in pixels of the upright picture.

    A row without numbers says that the picture has no face. Raises DataError, with the line, for other rows.
    """
    with open_source(expanded(path)) as source:
        for name in source.names():
            table = find_table(source, name, COLUMNS, tuple(COLUMNS))
            if table is not None:
                return _read(table, path)
    raise DataError(f"{path} needs a header with the columns {', '.join(COLUMNS)}, a row a face.")


def _read(table: Table, path: Path) -> dict[str, tuple[FaceBox, ...]]:
    boxes: dict[str, tuple[FaceBox, ...]] = {}
    for line, cells in table.rows():
        if cells is None:
            raise DataError(f"{path}, line {line}: too few cells.")
        numbers = [cells[side].strip() for side in ("x", "y", "width", "height")]
        name = nfc(cells["path"].strip())
        boxes[name] = boxes.get(name, ()) + ((_box(numbers, f"{path}, line {line}"),) if any(numbers) else ())
    return boxes


def _box(numbers: list[str], where: str) -> FaceBox:
    try:
        box = FaceBox(*(round(float(number)) for number in numbers))
    except (ValueError, OverflowError) as error:
        raise DataError(f"{where}: x, y, width and height are not four numbers.") from error
    if box.width < 1 or box.height < 1 or box.x < 0 or box.y < 0:
        raise DataError(f"{where}: a box must have a width and a height, and begin inside the picture.")
    return box


def boxes_of(name: str, boxes: Boxes) -> tuple[FaceBox, ...]:
    """Return the boxes of a picture, by its path as it is shown, else by its file's name alone."""
    name = nfc(name)
    return boxes.get(name, boxes.get(PurePath(name).name, ()))
