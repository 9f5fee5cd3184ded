"""One rule for everything that a user has: no output replaces what is there unasked, and none replaces an input.

Each verb claims its outputs before any work begins: an existing output is refused unless the call overwrites or
resumes, an output that is also an input is refused always, and a place that cannot be written is told at once.
"""

from __future__ import annotations

import json
import os
import shlex
import sys
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from filelock import FileLock, Timeout

from clip_emotion.errors import UsageError
from clip_emotion.files import is_stream, write_atomic
from clip_emotion.text import with_article

MARK = ".clip-emotion.json"
"""The file by which a folder of this project's making is known: only such a folder is ever written over."""


@dataclass(frozen=True, slots=True)
class WriteOptions:
    """What a call may do where its output is there already: replace it, or go on with it."""

    overwrite: bool = False
    resume: bool = False


NEW = WriteOptions()
"""The output has to be new."""


def claim_file(
    path: Path, options: WriteOptions = NEW, *, inputs: Iterable[Path] = (), resumable: bool = False
) -> None:
    """See that a file may be written, before any work begins.

    ``resumable`` says that the verb knows ``--resume``, which the sentence then offers. Streams such as /dev/null are
    written through. Raises UsageError where the file is an input, a folder, there already, or cannot be written.
    """
    refuse_inputs(path, inputs)
    if path.is_dir():
        raise UsageError(f"{path} is a folder: give a file name in it.")
    if is_stream(path):
        return
    if path.exists() and not (options.overwrite or options.resume):
        ways = "--overwrite to replace it" + (", or --resume to go on with it" if resumable else "")
        raise UsageError(f"{path} is there already: choose another name, or add {ways}.")
    _prove_writable(path.parent, path)


def claim_folder(
    folder: Path, made: str, options: WriteOptions = NEW, *, inputs: Iterable[Path] = (), resumable: bool = False
) -> None:
    """See that a folder may be written, before any work begins.

    ``made`` says what goes there (``"contact sheet"``). A folder that holds something is written over only with
    ``overwrite``, and only where its mark says that this project made such a thing there. Raises UsageError otherwise.
    """
    refuse_inputs(folder, inputs)
    if folder.exists() and not folder.is_dir():
        raise UsageError(f"{folder} is a file: name a folder.")
    if folder.is_dir() and any(folder.iterdir()):
        found = mark_of(folder)
        if found != made:
            holds = with_article(found) if found else "files that clip-emotion did not make"
            raise UsageError(f"{folder} holds {holds}: name a new folder for the {made}.")
        if not (options.overwrite or options.resume):
            ways = "--overwrite to replace it" + (", or --resume to go on with it" if resumable else "")
            raise UsageError(f"{folder} holds {with_article(made)} already: choose another folder, or add {ways}.")
    _prove_writable(folder, folder)


def mark_folder(folder: Path, made: str) -> None:
    """Write the mark by which a later run knows what this project made in a folder; raises OSError if it cannot."""
    write_atomic(folder / MARK, json.dumps({"made_by": "clip-emotion", "made": made}) + "\n")


def mark_of(folder: Path) -> str | None:
    """Return what this project made in a folder, or None where the folder carries no mark."""
    try:
        values = json.loads((folder / MARK).read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return None
    return values.get("made") if isinstance(values, dict) and values.get("made_by") == "clip-emotion" else None


def refuse_inputs(path: Path, inputs: Iterable[Path]) -> None:
    """Raise UsageError where an output is one of the inputs, by whatever name or link."""
    if path.exists() and any(_is_same(path, source) for source in inputs):
        raise UsageError(f"{path} is an input of this call: name another output, so that nothing of yours is replaced.")


def _is_same(path: Path, source: Path) -> bool:
    try:
        return path.samefile(source)
    except OSError:
        return False


def _prove_writable(folder: Path, output: Path) -> None:
    """See that a file can be made in a folder, or in the nearest folder above it that is there."""
    place = folder
    while not place.exists() and place != place.parent:
        place = place.parent
    try:
        with tempfile.TemporaryFile(dir=place):
            return
    except OSError as error:
        raise UsageError(f"Cannot write {output}: {error.strerror or error} ({place}).") from error


@contextmanager
def held(output: Path) -> Iterator[None]:
    """Hold an output for this process while the block runs, so that no second run writes into it.

    The lock is a hidden neighbour that names its holder; the operating system lets it go when the process ends,
    however it ends. Raises UsageError, with the holder's name, where another process holds the output.
    """
    if is_stream(output):
        yield
        return
    place = output.parent / f".{output.name}.lock"
    note = output.parent / f".{output.name}.held-by"
    try:
        place.parent.mkdir(parents=True, exist_ok=True)
        lock = FileLock(place, timeout=0)
        lock.acquire()
    except Timeout as error:
        raise UsageError(
            f"{output} is being written by {_holder(note)}: wait for it, or name another output."
        ) from error
    except OSError as error:
        raise UsageError(f"Cannot write {output}: {error.strerror or error}.") from error
    try:
        write_atomic(note, f"process {os.getpid()} ({shlex.join(sys.argv)[:200]})")
        yield
    finally:
        note.unlink(missing_ok=True)
        lock.release()
        place.unlink(missing_ok=True)


def _holder(note: Path) -> str:
    try:
        return note.read_text(encoding="utf-8") or "another process"
    except OSError:
        return "another process"
