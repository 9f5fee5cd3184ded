"""Layouts whose labels lie beside the pictures: an array a picture, a list of codes, folders with a table."""

from __future__ import annotations

import io
import tokenize
from collections.abc import Iterator, Mapping
from dataclasses import replace
from fnmatch import fnmatch
from functools import partial
from pathlib import PurePosixPath
from typing import Any

import numpy as np

from clip_emotion.data.cards import Card
from clip_emotion.data.layouts import RawImage, cell_path, is_image, split_named
from clip_emotion.data.recipes.base import Reading, Request, Row, Skipped, match_labels, place_of
from clip_emotion.data.recipes.images import image_features, image_row, read_image_folder, split_by_prefix
from clip_emotion.data.sources import Source, open_table
from clip_emotion.data.tables import encoding_of, find_table, is_table
from clip_emotion.errors import DataError, ImageError
from clip_emotion.vocabulary import Vocabulary

ARRAY_LIMIT = 4096
"""Most bytes of an array that holds one class code."""
_NO_ARRAY = (
    ValueError,
    OSError,
    EOFError,
    MemoryError,
    SyntaxError,
    TypeError,
    OverflowError,
    SystemError,
    tokenize.TokenError,
)
"""What NumPy raises on files that are no array."""


def read_code_arrays(source: Source, request: Request) -> Reading | None:
    """Read ``[split_set/]images/X.jpg`` whose class code is in ``[split_set/]annotations/X_exp.npy`` (AffectNet)."""
    names = source.names()
    arrays = {name for name in names if name.endswith("_exp.npy")}
    images = [name for name in names if is_image(name) and name.split("/")[-2:-1] == ["images"]]
    if not arrays or not images:
        return None
    vocabulary, places = match_labels(request, request.card.label_map)
    rows = (_coded_row(source, request, name, places) for name in images)
    return Reading("exp_npy", image_features(vocabulary), rows, vocabulary)


def _coded_row(source: Source, request: Request, name: str, places: Mapping[str, int]) -> Row | Skipped:
    path = PurePosixPath(name)
    folders = (folder.removesuffix("_set") for folder in reversed(path.parts[:-1]))
    split = next(filter(None, map(split_named, folders)), None) or request.default_split
    array = path.parent.parent / "annotations" / f"{path.stem}_exp.npy"
    try:
        code = code_in_array(source.read(str(array)))
    except ImageError as error:
        return Skipped(split, name, f"{array}: {error}")
    if code not in places:
        return Skipped(split, name, f"expression code '{code}' is none of {', '.join(request.card.label_map)}")
    return image_row(RawImage(split, code, name, partial(source.read, name)), places[code], source.location.name)


def code_in_array(content: bytes) -> str:
    """Return the one class code that a .npy file holds, as text; raises ImageError where it holds something else.

    Arrays of Python objects are refused: to read them would be to run what they say.
    """
    if len(content) > ARRAY_LIMIT:
        raise ImageError(f"{len(content)} bytes are no single class code")
    try:
        # Not np.load, which takes content that begins as an archive for one.
        array: Any = np.lib.format.read_array(io.BytesIO(content), allow_pickle=False)
        values = array.ravel().tolist() if isinstance(array, np.ndarray) else []
    except _NO_ARRAY as error:
        raise ImageError("not a .npy file of plain values") from error
    if len(values) != 1:
        raise ImageError("not an array of one class code")
    value = values[0]
    if isinstance(value, bytes):
        value = value.decode("ascii", "replace")
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value).strip()


def read_code_list(source: Source, request: Request) -> Reading | None:
    """Read a text file of lines ``picture code`` and the pictures it names, aligned ones first (RAF-DB).

    The card's ``files`` name the list. Raises DataError, which names the line, where it is no such list.
    """
    patterns = request.card.files
    lists = [name for name in source.names() if any(fnmatch(PurePosixPath(name).name, p) for p in patterns)]
    if not lists:
        return None
    vocabulary, places = match_labels(request, request.card.label_map)
    rows = _listed_rows(source, request, _code_lines(source, lists[0], places), lists[0])
    return Reading("code_list", image_features(vocabulary), rows, vocabulary)


def _code_lines(source: Source, name: str, places: Mapping[str, int]) -> list[tuple[str, int]]:
    with io.TextIOWrapper(open_table(source, name), encoding=encoding_of(source, name)) as lines:
        entries = [(number, line.split()) for number, line in enumerate(lines, start=1) if line.strip()]
    for number, words in entries:
        if len(words) != 2 or words[1] not in places:
            raise DataError(
                f"{name}, line {number}: '{' '.join(words)[:60]}' is not a picture's name and one of the codes "
                f"{', '.join(places)}: fetch the list again."
            )
    return [(file, places[code]) for _, (file, code) in entries]


def _listed_rows(
    source: Source, request: Request, entries: list[tuple[str, int]], origin: str
) -> Iterator[Row | Skipped]:
    images = _by_stem(source)
    for file, place in entries:
        split = split_by_prefix(request.card, file) or request.default_split
        stem = PurePosixPath(file).stem
        name = images.get(stem)
        if name is None:
            yield Skipped(split, file, f"{origin} lists it, but there is neither {stem}_aligned.jpg nor {file}")
            continue
        yield image_row(RawImage(split, "", name, partial(source.read, name)), place, source.location.name)


def _by_stem(source: Source) -> dict[str, str]:
    """Find pictures by their stem less ``_aligned``; an aligned picture wins over the one it was cut from."""
    found: dict[str, str] = {}
    for name in filter(is_image, source.names()):
        stem = PurePosixPath(name).stem
        if stem.endswith("_aligned"):
            found[stem.removesuffix("_aligned")] = name
        else:
            found.setdefault(stem, name)
    return found


def read_folders_with_table(source: Source, request: Request) -> Reading | None:
    """Read class folders beside which tables of picture and label say the same again (RAF-DB on Kaggle).

    Raises DataError, which names the picture, where a table and the folders contradict each other.
    """
    tables = [name for name in source.names() if is_table(name)]
    told = {file: (label, name) for name in tables for file, label in _table_labels(source, name, request.card)}
    reading = read_image_folder(source, request) if told else None
    if reading is None or reading.vocabulary is None:
        return None
    for name in filter(is_image, source.names()):
        *_, folder, file = name.split("/")
        _compare(file, folder, told.get(file), reading.vocabulary, request.card)
    return replace(reading, layout="image_folder_csv")


def _table_labels(source: Source, name: str, card: Card) -> Iterator[tuple[str, str]]:
    table = find_table(source, name, card.columns, ("path", "label"))
    for line, cells in table.rows() if table else ():
        if cells is None:
            raise DataError(f"{name}, line {line}: too few cells; fetch the table again.")
        yield PurePosixPath(cell_path(cells["path"])).name, cells["label"].strip()


def _compare(file: str, folder: str, told: tuple[str, str] | None, vocabulary: Vocabulary, card: Card) -> None:
    if told is None:
        return
    label, table = told
    if place_of(label, vocabulary, card.label_map) != place_of(folder, vocabulary, card.label_map):
        raise DataError(f"{table} gives {file} the label '{label}', but it lies in the folder '{folder}': fetch again.")
