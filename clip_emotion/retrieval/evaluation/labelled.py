"""Labelled rows to evaluate on: images and texts with their true labels, from any of the forms that data comes in."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from clip_emotion.csv_text import shown_columns
from clip_emotion.data.cards import load_card
from clip_emotion.data.facts import facts_of
from clip_emotion.data.layouts import in_class_folder, in_table, is_image, labels_in_cell, split_in_cell
from clip_emotion.data.sources import Source, open_source
from clip_emotion.data.tables import Table, find_table, header_of, is_table
from clip_emotion.errors import DataError, ImageError, UsageError
from clip_emotion.files import expanded
from clip_emotion.retrieval.evaluation.facts import fact_columns, with_facts
from clip_emotion.retrieval.evaluation.selection import WHOLE, RowSelection, parse_slice, pick_split, sample_rows
from clip_emotion.text import nfc

TABLE_CARD = "image_csv"
"""The card that says how tables spell the columns of paths and splits."""

Facts = Mapping[str, str]
"""What a table says of a row besides its class: cells by the name of their column."""


@dataclass(frozen=True, slots=True)
class ImageRow:
    """One image: the name to show, the class as the data spells it, and a function that fetches its bytes.

    ``sha`` is its pixel key where the data carries it, ``place`` the file and line that name it where a table does;
    ``error`` says why the row cannot be used; ``facts`` are cells of the columns that were asked for.
    """

    name: str
    label: str
    read: Callable[[], bytes]
    sha: str | None = None
    place: str = ""
    error: str = ""
    facts: Facts = field(default_factory=dict)

    @property
    def classes(self) -> tuple[str, ...]:
        """The one class of the row, as the data spells it."""
        return (self.label,)

    @property
    def where(self) -> str:
        """Where to look for the row: file, line and name."""
        return f"{self.place} ({self.name})" if self.place else self.name

    @property
    def fault(self) -> str:
        """Why the row cannot be used, empty where it can, as far as can be told without reading the image."""
        return self.error or ("" if self.label else "no label")


@dataclass(frozen=True, slots=True)
class TextRow:
    """One text with its labels as the data spells them; ``where`` names file and line, ``error`` what is wrong.

    ``facts`` are cells of the columns that were asked for.
    """

    where: str
    text: str
    labels: tuple[str, ...]
    error: str = ""
    facts: Facts = field(default_factory=dict)

    @property
    def classes(self) -> tuple[str, ...]:
        """The classes of the row, as the data spells them."""
        return self.labels

    @property
    def fault(self) -> str:
        """Why the row cannot be used, empty where it can."""
        if self.error:
            return self.error
        return "no text" if not self.text.strip() else "no label" if not self.labels else ""


@dataclass(frozen=True)
class Labelled:
    """The chosen rows of one split: all images or all texts, and how many the selection's filter left out."""

    data: str
    split: str
    images: Sequence[ImageRow] = ()
    texts: Sequence[TextRow] = ()
    filtered: int = 0


Splits = dict[str, list[ImageRow]] | dict[str, list[TextRow]]


@contextmanager
def open_labelled(data: str, selection: RowSelection) -> Iterator[Labelled]:
    """Open labelled data and choose its rows; pictures can be read only within the block.

    ``data`` is an image folder or .zip with class sub-folders (with or without split folders), a CSV or TSV (.gz) of
    path,label or text,labels, or a prepared set's name or folder. Raises UsageError for a choice that cannot be, and
    DataError for data in another form.
    """
    path = expanded(data)
    if not path.exists() and (path.suffix or "/" in data):
        raise DataError(f"{data} does not exist: give a folder, a .zip, a .csv or .tsv file, or a prepared set's name.")
    if not path.exists() or (path / "dataset_dict.json").is_file():
        yield _chosen(nfc(path.name), with_facts(_prepared(data, selection), None, selection), selection)
        return
    with open_source(path) as source:
        yield _chosen(nfc(path.name), with_facts(_read(source, selection), source, selection), selection)


def open_training(data: str) -> AbstractContextManager[Labelled]:
    """Open data that a model may have been trained on: its training split, or its only one."""
    return open_labelled(data, RowSelection(prefer=("train",)))


def _read(source: Source, selection: RowSelection) -> Splits:
    images = [name for name in source.names() if is_image(name)]
    if images:
        return _class_folders(source, images)
    tables = [name for name in source.names() if is_table(name)]
    if len(tables) == 1:
        return _table(source, tables[0], selection)
    if tables:
        raise UsageError(f"{source.location} holds several tables ({', '.join(tables[:5])} …): name one of them.")
    raise DataError(f"{source.location} holds no pictures: give class folders, a .zip of them, or a .csv or .tsv.")


def _chosen(data: str, splits: Any, selection: RowSelection) -> Labelled:
    split = pick_split(list(splits), selection, data)
    rows = [row for part in splits.values() for row in part] if split == WHOLE else splits[split]
    kept = [row for row in rows if selection.keeps(row.facts)]
    filtered = len(rows) - len(kept)
    rows = sample_rows(kept[parse_slice(selection.rows)], selection)
    if not rows:
        others = "--split, --rows, --limit or --filter" if selection.filter else "--split, --rows or --limit"
        raise UsageError(f"No rows are left of {data} ({split}): choose another {others}.")
    if isinstance(rows[0], ImageRow):
        return Labelled(data, split, images=rows, filtered=filtered)
    return Labelled(data, split, texts=rows, filtered=filtered)


def _class_folders(source: Source, names: list[str]) -> dict[str, list[ImageRow]]:
    splits: dict[str, list[ImageRow]] = {}
    for name in names:
        if "/" not in name:
            raise DataError(f"{source.location}: {name} is in no class folder, move it into one named after its class.")
        image = in_class_folder(source, name)
        splits.setdefault(image.split or WHOLE, []).append(ImageRow(name, image.raw_label, image.load))
    return splits


def _table(source: Source, name: str, selection: RowSelection) -> Splits:
    labels = selection.label_columns()
    spellings = load_card(TABLE_CARD).columns
    columns: dict[str, Sequence[str]] = {key: spellings[key] for key in ("path", "split")}
    columns |= fact_columns(selection)
    columns |= {"labels": labels, "text": selection.text_columns()}
    for kind in ("text", "path"):
        table = find_table(source, name, columns, required=(kind, "labels"))
        if table is not None:
            return _text_rows(table) if kind == "text" else _image_rows(source, table)
    texts = ", ".join(selection.text_columns())
    raise UsageError(
        f"{source.location} needs a header with a text column ({texts}) or a path column, and a label column "
        f"({', '.join(labels)}); it has {shown_columns(header_of(source, name))}: name yours with --text-column and "
        "--label-column."
    )


def _text_rows(table: Table) -> dict[str, list[TextRow]]:
    splits: dict[str, list[TextRow]] = {}
    for line, cells in table.rows():
        where = f"{table.name}, line {line}"
        if cells is None:
            splits.setdefault(WHOLE, []).append(TextRow(where, "", (), error="too few cells"))
        else:
            row = TextRow(where, cells["text"], labels_in_cell(cells["labels"]), facts=facts_of(cells))
            splits.setdefault(split_in_cell(cells.get("split")) or WHOLE, []).append(row)
    return splits


def _image_rows(source: Source, table: Table) -> dict[str, list[ImageRow]]:
    splits: dict[str, list[ImageRow]] = {}
    for line, cells in table.rows():
        place = f"{table.name}, line {line}"
        if cells is None:
            splits.setdefault(WHOLE, []).append(ImageRow("", "", bytes, place=place, error="too few cells"))
            continue
        image = in_table(source, table.name, cells["path"], cells["labels"], cells.get("split"))
        fault = "" if image.path else "no path"
        row = ImageRow(image.path, image.raw_label, image.load, place=place, error=fault, facts=facts_of(cells))
        splits.setdefault(image.split or WHOLE, []).append(row)
    return splits


def _prepared(data: str, selection: RowSelection) -> Splits:
    from clip_emotion.data.prepared import load_prepared

    sets = load_prepared(data)
    first = next(iter(sets.values()))
    # What a prepared set says of its rows stands in columns of its own.
    kept = [name for name in selection.facts if name in first.column_names]
    if selection.metadata is None and len(kept) < len(selection.facts):
        lacking = ", ".join(name for name in selection.facts if name not in kept)
        has = ", ".join(first.column_names)
        raise UsageError(f"{data} has no column {lacking}: it has {has}; or name a table that has with --metadata.")
    if "image" in first.column_names:
        return {str(split): prepared_images(rows, rows.features["label"].names, kept) for split, rows in sets.items()}
    return {str(split): _prepared_texts(rows, selection, data) for split, rows in sets.items()}


def prepared_images(rows: Any, names: Sequence[str], kept: Sequence[str] = ()) -> list[ImageRow]:
    """Return the pictures of a prepared split, whose labels are places in ``names``, with the columns ``kept``."""
    from datasets import Image

    encoded = rows.cast_column("image", Image(decode=False))
    columns = zip(rows["label"], rows["path"], rows["sha"], strict=True)
    facts = {name: list(map(str, rows[name])) for name in kept}
    return [
        ImageRow(path, names[label], partial(_image_bytes, encoded, at), sha, facts=_at(facts, at))
        for at, (label, path, sha) in enumerate(columns)
    ]


def _at(columns: Mapping[str, Sequence[str]], row: int) -> dict[str, str]:
    return {name: cells[row] for name, cells in columns.items()}


def _image_bytes(encoded: Any, at: int) -> bytes:
    content = encoded[at]["image"]["bytes"]
    if content is None:
        raise ImageError("The prepared set holds no bytes for this picture: prepare it again.")
    return bytes(content)


def _prepared_texts(rows: Any, selection: RowSelection, data: str) -> list[TextRow]:
    found = [
        next((name for name in spellings if name in rows.column_names), None)
        for spellings in (selection.text_columns(), selection.label_columns())
    ]
    if None in found:
        raise UsageError(f"{data} has the columns {', '.join(rows.column_names)}: name --text-column, --label-column.")
    texts, labels = (rows[name] for name in found)
    feature = rows.features[found[1]]
    classes = getattr(getattr(feature, "feature", feature), "names", None)
    return [
        TextRow(f"{data}, row {at}", text, tuple(classes[one] if classes else str(one) for one in _listed(own)))
        for at, (text, own) in enumerate(zip(texts, labels, strict=True))
    ]


def _listed(value: Any) -> list[Any]:
    return list(value) if isinstance(value, (list, tuple)) else [value]
