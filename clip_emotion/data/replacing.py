"""Folders written whole or not at all: into a scratch folder beside the target, then moved into its place."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from clip_emotion.data.prepared import MARK
from clip_emotion.errors import UsageError
from clip_emotion.files import is_taken

OUT = "out"
"""What is to become a prepared folder, within the scratch folder of ``replacing``."""


@contextmanager
def replacing(target: Path) -> Iterator[Path]:
    """Hand out a scratch folder whose ``out`` becomes the prepared set ``target`` when the block ends, or nothing does.

    Raises UsageError for a target that cannot be written, or that holds something else.
    """
    _check_target(target)
    with scratch_beside(target) as work:
        yield work
        _put_in_place(work / OUT, target, work / "old")


@contextmanager
def scratch_beside(target: Path) -> Iterator[Path]:
    """Make a working folder on the target's own disk, so that the last step is a rename; it goes with the block."""
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        scratch = tempfile.TemporaryDirectory(prefix=f".{target.name}.", dir=target.parent, ignore_cleanup_errors=True)
    except OSError as error:
        raise UsageError(
            f"Cannot write {target}: {error.strerror or error}; choose another folder with --to."
        ) from error
    with scratch as folder:
        yield Path(folder)


def refuse_taken(target: Path) -> None:
    """Raise UsageError when a folder that is to be written is there and holds something."""
    if is_taken(target):
        raise UsageError(f"{target} is there already, and nothing is overwritten: choose another folder with --to.")


def _check_target(target: Path) -> None:
    if not (target / MARK).is_file() and is_taken(target):
        raise UsageError(f"{target} exists and is not a prepared data set: choose another folder with --to.")


def _put_in_place(new: Path, target: Path, aside: Path) -> None:
    # A folder cannot be renamed over another one: the old one steps aside first, and goes with the scratch folder.
    if target.exists():
        target.rename(aside)
    try:
        new.rename(target)
    except OSError:
        if aside.exists():
            aside.rename(target)
        raise
    shutil.rmtree(aside, ignore_errors=True)
