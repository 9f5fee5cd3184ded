"""Writing files so that readers see the old content or the new, never a part."""

from __future__ import annotations

import hashlib
import os
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from clip_emotion.errors import UsageError


def expanded(path: str | Path) -> Path:
    """Return a path with its beginning ``~`` or ``~user`` as that home; raises UsageError where there is no such home.

    Every path of a user's goes through here: ``Path.expanduser`` itself ends in a RuntimeError.
    """
    try:
        return Path(path).expanduser()
    except RuntimeError as error:
        raise UsageError(f"{path} begins with the home of a user that is not there: write the whole path.") from error


def is_taken(path: Path) -> bool:
    """Tell whether a folder that is to be written is there and holds something, or is no folder."""
    return path.exists() and (not path.is_dir() or any(path.iterdir()))


def is_stream(path: Path) -> bool:
    """Tell whether a path is a device, pipe or socket, which is written through and never replaced."""
    return path.exists() and not path.is_file() and not path.is_dir()


def write_atomic(path: Path, content: str | bytes) -> None:
    """Write a whole file or nothing: into a neighbour first, then renamed over ``path``; text becomes UTF-8.

    Missing parent folders are made, and a stream (/dev/null, a pipe) is written through instead of being replaced.
    Raises OSError when the place cannot be written.
    """
    raw = content.encode("utf-8") if isinstance(content, str) else content
    if is_stream(path):
        path.write_bytes(raw)
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, draft = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name[:40]}.")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(raw)
        open_up(Path(draft))
        Path(draft).replace(path)
    except BaseException:
        Path(draft).unlink(missing_ok=True)
        raise


def open_up(path: Path) -> None:
    """Make a file as readable as any other that the user makes; raises OSError where it is not the user's."""
    # A temporary file is its owner's alone; a result should be as readable as any other file the user makes.
    path.chmod(0o666 & ~_umask())


def _umask() -> int:
    # The process's mask can be read only by setting it.
    mask = os.umask(0)
    os.umask(mask)
    return mask


def sha256_of(path: Path) -> str:
    """Return a file's SHA-256 in hexadecimal, read piece by piece; raises OSError when it cannot be read."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while piece := file.read(1 << 20):
            digest.update(piece)
    return digest.hexdigest()


@contextmanager
def draft_of(folder: Path) -> Iterator[Path]:
    """Hand out an empty neighbour of a folder to write its files into; it is gone after the block.

    Missing parent folders are made. Raises OSError when the place cannot be written.
    """
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix=f".{folder.name[:40]}.") as place:
        # A temporary folder is its owner's alone; one made inside it is as readable as any other of the user's.
        draft = Path(place) / "draft"
        draft.mkdir()
        yield draft


def publish(draft: Path, folder: Path, names: Sequence[str]) -> None:
    """Move a draft's files to their folder: a new folder in one step, else file by file in the order of ``names``.

    Other files of an existing folder stay. Raises OSError when the place cannot be written.
    """
    for name in names:
        open_up(draft / name)
    if not folder.exists():
        draft.replace(folder)
        return
    for name in names:
        (draft / name).replace(folder / name)
