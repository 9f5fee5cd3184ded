"""The list of splits in a folder that ``DatasetDict.save_to_disk`` wrote, read as data that may be hostile."""

from __future__ import annotations

import json
from pathlib import Path

from clip_emotion.data.path_names import path_fault
from clip_emotion.errors import DataError

MARK = "dataset_dict.json"
"""The file by which a saved DatasetDict is known."""


def saved_splits(folder: Path) -> list[str]:
    """Return the names of a saved set's splits; raises DataError where the list is damaged or names another folder."""
    try:
        splits = json.loads((folder / MARK).read_text(encoding="utf-8"))["splits"]
        names = [str(split) for split in splits]
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise DataError(f"{folder} is damaged ({type(error).__name__}): prepare it again.") from error
    for name in names:
        fault = path_fault(name)
        if fault:
            raise DataError(f"{folder} has the split '{name[:60]}', which names no folder ({fault}): do not use it.")
    return names
