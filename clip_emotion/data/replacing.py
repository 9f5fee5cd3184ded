"""Folders written whole or not at all: into a scratch folder beside the target, then moved into its place.

An existing folder is replaced only when the call says so, when this project made it, and when nothing else lies in it.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from clip_emotion.errors import UsageError
from clip_emotion.files import is_taken
from clip_emotion.outputs import MARK, NEW, WriteOptions, claim_folder, mark_folder, mark_of, refuse_inputs
from clip_emotion.text import with_article

OUT = "out"
"""What is to become the target, within the scratch folder of ``replacing``."""


@dataclass(frozen=True)
class FolderKind:
    """A kind of folder that this project makes.

    ``made`` names it, ``files`` returns the relative paths of what this project wrote there, and ``unmarked`` tells
    whether a folder without a mark is one all the same, as the first release wrote them.
    """

    made: str
    files: Callable[[Path], set[str]]
    unmarked: Callable[[Path], bool] = lambda folder: False


def claim(target: Path, kind: FolderKind, options: WriteOptions = NEW, inputs: Iterable[Path] = ()) -> None:
    """See that a folder may be written, before any work begins.

    Raises UsageError where it holds an input, something of the user's, or a result that is not to be overwritten.
    """
    refuse_inputs(target, inputs)
    ours = is_taken(target) and target.is_dir() and (mark_of(target) == kind.made or kind.unmarked(target))
    if ours and options.overwrite:
        _refuse_foreign(target, kind)
        return
    if ours:
        raise UsageError(
            f"{target} holds {with_article(kind.made)} already: choose another folder, or add --overwrite to replace "
            "it."
        )
    claim_folder(target, kind.made, options)


def _refuse_foreign(target: Path, kind: FolderKind) -> None:
    known = {MARK, *kind.files(target)}
    files = (path for path in target.rglob("*") if path.is_symlink() or not path.is_dir())
    foreign = sorted(name for path in files if (name := path.relative_to(target).as_posix()) not in known)
    if foreign:
        raise UsageError(
            f"{target} also holds {foreign[0]}, which clip-emotion did not make: move it, or choose another folder."
        )


@contextmanager
def replacing(
    target: Path, kind: FolderKind, options: WriteOptions = NEW, inputs: Iterable[Path] = ()
) -> Iterator[Path]:
    """Hand out a scratch folder whose ``out`` becomes the target when the block ends, or nothing does.

    Raises UsageError as ``claim`` does, before and after the block, and for a target that cannot be written.
    """
    inputs = list(inputs)
    claim(target, kind, options, inputs)
    with _scratch_beside(target) as work:
        yield work
        mark_folder(work / OUT, kind.made)
        claim(target, kind, options, inputs)
        _put_in_place(work / OUT, target, work / "old")


@contextmanager
def _scratch_beside(target: Path) -> Iterator[Path]:
    """Make a working folder on the target's own disk, so that the last step is a rename; it goes with the block."""
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        scratch = tempfile.TemporaryDirectory(prefix=f".{target.name}.", dir=target.parent, ignore_cleanup_errors=True)
    except OSError as error:
        raise UsageError(
            f"Cannot write {target}: {error.strerror or error}; choose another folder with --out."
        ) from error
    with scratch as folder:
        yield Path(folder)


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
