"""Files that are made for one answer: in the data folder, gone once they are sent or where making them fails."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from starlette.background import BackgroundTask
from starlette.responses import FileResponse

ZIP = "application/zip"


@contextmanager
def draft(folder: Path, suffix: str) -> Iterator[Path]:
    """Hand out an empty file of a random name; it stays after the block for ``send``, unless the block fails."""
    handle, name = tempfile.mkstemp(suffix=suffix, dir=folder)
    os.close(handle)
    try:
        yield Path(name)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


def send(path: Path, media: str, name: str) -> FileResponse:
    """Return the answer that sends a file under a name, and removes it."""
    gone = BackgroundTask(path.unlink, missing_ok=True)
    return FileResponse(path, media_type=media, filename=name, background=gone)
