"""Writing files so that readers see the old content or the new, never a part."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path


def write_atomic(path: Path, content: str | bytes) -> None:
    """Write a whole file or nothing: into a neighbour first, then renamed over ``path``; text becomes UTF-8.

    Missing parent folders are made. Raises OSError when the place cannot be written.
    """
    raw = content.encode("utf-8") if isinstance(content, str) else content
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, draft = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name[:40]}.")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(raw)
        # A temporary file is its owner's alone; a result should be as readable as any other file the user makes.
        Path(draft).chmod(0o666 & ~_umask())
        Path(draft).replace(path)
    except BaseException:
        Path(draft).unlink(missing_ok=True)
        raise


def _umask() -> int:
    # The process's mask can be read only by setting it.
    mask = os.umask(0)
    os.umask(mask)
    return mask
