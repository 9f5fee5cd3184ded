"""A page as PDF by a Chromium on this machine, which reaches no network; one at a time."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
import threading
from functools import cache
from pathlib import Path

from clip_emotion.errors import ClipEmotionError
from clip_emotion.web.busy import Busy

NAMES = ("chromium", "chromium-browser", "google-chrome-stable", "google-chrome")
SECONDS, WAIT = 60, 20
_turn = threading.BoundedSemaphore(1)


@cache
def chromium() -> str | None:
    """Return the path of a Chromium, or None where the machine has none."""
    return next((path for name in NAMES if (path := shutil.which(name))), None)


def pdf_of(page: str, temporary: Path | None = None) -> bytes:
    """Return a page that needs nothing but itself as PDF, written into a temporary folder and read.

    Raises ClipEmotionError where Chromium cannot print it, Busy where others are printing.
    """
    program = chromium()
    if program is None:
        raise ClipEmotionError("This machine has no Chromium: print the page with the browser instead.")
    if not _turn.acquire(timeout=WAIT):
        raise Busy
    try:
        with tempfile.TemporaryDirectory(dir=temporary) as scratch:
            return _printed(program, page, Path(scratch))
    finally:
        _turn.release()


def _printed(program: str, page: str, folder: Path) -> bytes:
    (folder / "page.html").write_text(page, "utf-8")
    target = folder / "page.pdf"
    # Chromium's own sandbox does not run for root; the page's own policy lets it run and load nothing.
    alone = ["--no-sandbox"] if hasattr(os, "geteuid") and os.geteuid() == 0 else []
    command = [
        program, "--headless", "--disable-gpu", "--disable-extensions", "--disable-background-networking",
        "--disable-dev-shm-usage", "--no-first-run", "--no-pdf-header-footer",
        "--host-resolver-rules=MAP * ~NOTFOUND", f"--user-data-dir={folder / 'profile'}", f"--print-to-pdf={target}",
        *alone, (folder / "page.html").as_uri(),
    ]  # fmt: skip
    try:
        subprocess.run(command, check=True, timeout=SECONDS, capture_output=True)
        return target.read_bytes()
    except (OSError, subprocess.SubprocessError) as error:
        raise ClipEmotionError(
            "Chromium could not print the page: print it with the browser instead, as PDF."
        ) from error
