"""An image folder: ``CLASS/image.png`` and a table of them, which ``load_dataset("imagefolder", …)`` opens.

The table, ``metadata.csv`` or ``metadata.parquet``, says which word each image has; the folders say it too, in letters
that every file system takes. ``evaluate``, ``adapt`` and ``data prepare`` read it as ``metadata.csv``.
"""

from __future__ import annotations

from typing import Any

from clip_emotion.csv_text import csv_text
from clip_emotion.data.path_names import file_name
from clip_emotion.errors import ImageError, UsageError
from clip_emotion.retrieval.exports.cells import COLUMNS, cells_of
from clip_emotion.retrieval.exports.data_card import README, data_card
from clip_emotion.retrieval.exports.records import FaceLabels, LabelledImage
from clip_emotion.retrieval.exports.run import ExportRun

FILE = "file_name"
"""The column that Hugging Face looks for: a path relative to the table."""


def write(run: ExportRun) -> None:
    """Write the images, the table and the data card."""
    write_rows(run)


def write_rows(run: ExportRun) -> list[tuple[str, LabelledImage, FaceLabels]]:
    """Write the same, and return each image's name in the folder beside the face that it shows."""
    if run.options.media == "refer":
        raise UsageError("An image folder holds its images: copy or link them.")
    placed = _placed(run)
    rows = [{FILE: name, **cells_of(image, face, run.words)} for name, image, face in placed]
    if run.options.table == "csv":
        columns = (FILE, *COLUMNS)
        table = csv_text(columns, ([row[column] for column in columns] for row in rows))
        (run.folder / "metadata.csv").write_text(table, "utf-8", newline="")
    else:
        _write_parquet(run, rows)
    (run.folder / README).write_text(data_card(run, {}), "utf-8")
    return placed


def _placed(run: ExportRun) -> list[tuple[str, LabelledImage, FaceLabels]]:
    place = run.media.place_face if run.options.part == "faces" else run.media.place_whole
    placed = []
    for image, face in run.rows():
        try:
            placed.append((place(image, face, file_name(face.word or "")), image, face))
        except ImageError as error:
            run.fail(image, str(error))
    return placed


def _write_parquet(run: ExportRun, rows: list[dict[str, Any]]) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    pq.write_table(pa.Table.from_pylist(rows), run.folder / "metadata.parquet")
