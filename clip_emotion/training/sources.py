"""Raw data sets on their way into training: prepared once beside the run, then read back."""

from __future__ import annotations

from pathlib import Path

from datasets import DatasetDict

from clip_emotion.data.prepare import MARK, load_prepared, prepare


def prepared_once(name: str, source: Path, cache: Path, drop_duplicates: bool = False) -> DatasetDict:
    """Prepare a data set below ``cache`` unless that has been done before, and return it.

    Raises DataError when the source is missing or in no known layout.
    """
    folder = cache / name
    if (folder / MARK).is_file():
        return load_prepared(folder)
    return prepare(name, source, folder, drop_duplicates=drop_duplicates)
