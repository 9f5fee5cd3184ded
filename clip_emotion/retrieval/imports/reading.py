"""A file that came back, read by what it is."""

from __future__ import annotations

from pathlib import Path

from clip_emotion.data.tables import is_table
from clip_emotion.errors import DataError, UsageError
from clip_emotion.retrieval.imports.label_studio import read_label_studio
from clip_emotion.retrieval.imports.records import Returned
from clip_emotion.retrieval.imports.table import read_table


def read_returned(file: Path, images: Path | None) -> Returned:
    """Read Label Studio's JSON or a table; ``images`` is the folder below which images are looked for.

    Raises UsageError for another kind of file, DataError where it is not there or damaged.
    """
    if not file.is_file():
        raise DataError(f"{file} does not exist: name the file that people's words came back in.")
    if file.suffix.lower() == ".json":
        return read_label_studio(file, images)
    if is_table(file.name):
        return read_table(file)
    raise UsageError(f"{file} is neither a .json of Label Studio nor a .csv or .tsv: export it as one of these.")
