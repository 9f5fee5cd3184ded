"""Tables of corrections: a row a face and person, with path and label, and which face, who and when where known."""

from __future__ import annotations

from pathlib import Path

from clip_emotion.csv_text import unguarded
from clip_emotion.data.cards import load_card
from clip_emotion.data.layouts import cell_path
from clip_emotion.data.sources import open_source
from clip_emotion.data.tables import Table, find_table
from clip_emotion.errors import DataError
from clip_emotion.retrieval.exports.cells import BOX
from clip_emotion.retrieval.imports.records import Correction, Returned
from clip_emotion.text import nfc
from clip_emotion.types import FaceBox

COLUMNS = ("path", "face_index", *BOX, "label", "by", "when", "predicted")
"""The columns of ``judgements.csv``; those of people's own tables may be called otherwise."""
SPELLINGS = {
    "by": ("by", "annotator", "judge", "judged_by", "completed_by", "rater", "평가자"),
    "when": ("when", "updated_at", "created_at", "time"),
    "face_index": ("face_index", "face"),
    **{side: (side,) for side in BOX},
}


def read_table(file: Path) -> Returned:
    """Read a CSV or TSV of corrections; raises DataError where it has no path or no label."""
    known = load_card("image_csv").columns
    columns = {"path": known["path"], "label": known["label"], **SPELLINGS}
    with open_source(file) as source:
        for name in source.names():
            table = find_table(source, name, columns, ("path", "label"))
            if table is not None:
                return _read(table)
    raise DataError(f"{file} needs a header with the columns path and label, and by where several people judged.")


def _read(table: Table) -> Returned:
    corrections: list[Correction] = []
    errors: list[str] = []
    for line, cells in table.rows():
        where = f"{table.name}, line {line}"
        if cells is None:
            errors.append(f"{where}: too few cells")
            continue
        plain = {name: unguarded(cell).strip() for name, cell in cells.items()}
        if not plain["label"]:
            continue
        try:
            corrections.append(_correction(plain, where))
        except (ValueError, OverflowError):
            errors.append(f"{where}: the face is not told by whole numbers")
    return Returned(tuple(corrections), errors=tuple(errors))


def _correction(cells: dict[str, str], where: str) -> Correction:
    numbers = [cells.get(side, "") for side in BOX]
    box = FaceBox(*(round(float(number)) for number in numbers)) if all(numbers) else None
    index = int(cells["face_index"]) if cells.get("face_index") else None
    return Correction(
        nfc(cell_path(cells["path"])),
        nfc(cells["label"]),
        cells.get("by", ""),
        cells.get("when", ""),
        index,
        box,
        where,
    )
