"""Removes what nobody wants any more: sessions that are over, results that were never saved, files without rows, and
what a killed process left of chats and downloads."""

from __future__ import annotations

import logging
import shutil
import time
from contextlib import suppress
from pathlib import Path

import anyio
import anyio.to_thread
from sqlalchemy import delete, select

from clip_emotion.web.database.tables import IdempotencyKey, Picture, Result, now
from clip_emotion.web.history import delete_results
from clip_emotion.web.idempotency import KEPT
from clip_emotion.web.security.trail import sweep_failures
from clip_emotion.web.site import Site

logger = logging.getLogger(__name__)
GRACE = 3600.0
"""Seconds for which a file may wait for its row where other processes share the folder: longer than any rehearsal."""
EVERY = 600.0
"""Seconds between two sweeps of rows while the site runs."""


def sweep(site: Site) -> None:
    """Sweep everything, as at the start. SQLite belongs to one process, so that there no file waits for its row."""
    sweep_rows(site)
    alone = site.database.engine.dialect.name == "sqlite"
    grace = 0 if alone else GRACE
    sweep_pictures(site, grace=grace)
    sweep_folder(site.settings.temporary, grace=grace)


def sweep_rows(site: Site) -> None:
    """Sweep what has a time of its own, with its pictures: at the start, and again and again while the site runs."""
    site.sessions.sweep()
    sweep_unsaved(site)
    with site.database.writing() as db:
        sweep_failures(db, site.settings.failures_kept)
        db.execute(delete(IdempotencyKey).where(IdempotencyKey.created < now() - KEPT))


async def keep_swept(site: Site, every: float = EVERY) -> None:
    """Sweep rows again and again, until the site ends; a sweep that fails is logged and tried again."""
    while True:
        await anyio.sleep(every)
        try:
            await anyio.to_thread.run_sync(sweep_rows, site)
        except Exception:
            logger.exception("What nobody wants any more could not be swept")


def sweep_pictures(site: Site, *, grace: float) -> None:
    """Remove pictures that no row knows and that are older than ``grace`` seconds.

    A process that was killed between a file and its row leaves such files.
    """
    old = {path.name for path in _older(site.pictures.folder, grace)}
    with site.database.reading() as db:
        known = set(db.scalars(select(Picture.file)))
    site.pictures.remove(old - known)


def sweep_folder(folder: Path, *, grace: float) -> None:
    """Empty a folder of what is older than ``grace`` seconds."""
    for path in _older(folder, grace):
        with suppress(OSError):  # another process of the site sweeps too
            shutil.rmtree(path) if path.is_dir() else path.unlink()


def _older(folder: Path, grace: float) -> list[Path]:
    """Return what is in a folder for longer than ``grace`` seconds; others may remove of it meanwhile."""
    before, found = time.time() - grace, []
    for path in folder.iterdir():
        with suppress(OSError):
            if path.stat().st_mtime <= before:
                found.append(path)
    return found


def sweep_unsaved(site: Site) -> None:
    """Remove results that were neither saved nor discarded in time, with their pictures."""
    stale = (Result.saved.is_(False)) & (Result.created < now() - site.settings.unsaved)
    with site.database.reading() as db:  # at every upload: nobody who writes is to wait for a look that finds nothing
        if db.scalar(select(Result.id).where(stale).limit(1)) is None:
            return
    with site.database.writing() as db:
        files = delete_results(db, stale)
    site.pictures.remove(files)
