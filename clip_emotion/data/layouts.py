"""How labelled data is laid out, class folders and tables: read in one way for preparing and for evaluating."""

from __future__ import annotations

import posixpath
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import PurePosixPath

from clip_emotion.data.images import SUFFIXES
from clip_emotion.data.sources import Source
from clip_emotion.text import fold

SPLIT_NAMES = {
    "train": "train",
    "training": "train",
    "validation": "validation",
    "valid": "validation",
    "val": "validation",
    "dev": "validation",
    "publictest": "validation",
    "test": "test",
    "testing": "test",
    "privatetest": "test",
}


def split_named(name: str) -> str | None:
    """Return the split that a folder, a column's cell or a Hub split's name means, or None."""
    return SPLIT_NAMES.get(fold(name).replace(" ", ""))


def split_of_file(name: str) -> str | None:
    """Return the split that a file's stem or one of its folders tells (``goemotions_dev.tsv`` → validation)."""
    path = PurePosixPath(name)
    words = fold(path.name.split(".")[0]).split()
    for word in [*reversed(words), *reversed(path.parent.parts)]:
        split = split_named(word)
        if split:
            return split
    return None


@dataclass(frozen=True, slots=True)
class RawImage:
    """A picture before it is opened: the class and path that its source gives, and how to get its bytes.

    ``split`` is empty where the source names none.
    """

    split: str
    raw_label: str
    path: str
    load: Callable[[], bytes]


def in_class_folder(source: Source, name: str) -> RawImage:
    """Read ``[split/]class/picture`` at any depth: the folder that holds a picture is its class."""
    *folders, class_folder, _ = name.split("/")
    split = next(filter(None, map(split_named, reversed(folders))), "")
    return RawImage(split, class_folder, name, partial(source.read, name))


def in_table(source: Source, table: str, path: str, label: str, split: str | None) -> RawImage:
    """Read the cells of a table's row that name a picture, whose path is relative to the table."""
    path = cell_path(path)
    return RawImage(split_in_cell(split), label.strip(), path, partial(source.read, _beside(table, path)))


def split_in_cell(cell: str | None) -> str:
    """Return the split that a table's cell means, spelt as we do where it is a known one; empty where it is blank."""
    name = (cell or "").strip()
    return split_named(name) or name


def labels_in_cell(cell: str) -> tuple[str, ...]:
    """Cut a cell of labels at its commas: ``0,6`` and ``[0, '6']`` are the labels 0 and 6."""
    return tuple(part.strip().strip("'\"") for part in cell.strip().strip("[]").split(",") if part.strip())


def is_image(name: str) -> bool:
    """Tell by its suffix whether a file is a picture."""
    return PurePosixPath(name).suffix.lower() in SUFFIXES


def cell_path(cell: str) -> str:
    """Return the path in a table's cell with forward slashes, which tables from Windows lack."""
    return cell.strip().replace("\\", "/")


def _beside(table: str, path: str) -> str:
    return posixpath.normpath(posixpath.join(posixpath.dirname(table), path))
