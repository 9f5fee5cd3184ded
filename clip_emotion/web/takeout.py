"""Everything that the site keeps of one account, as a .zip: the account, its results, its pictures, its documents."""

from __future__ import annotations

import json
import tempfile
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import selectinload, undefer

from clip_emotion.web.database.tables import (
    INTERVIEW,
    LABEL,
    SCORE,
    AccessToken,
    Document,
    LoginSession,
    Picture,
    Result,
    User,
)
from clip_emotion.web.history import in_blocks
from clip_emotion.web.reports import Report
from clip_emotion.web.site import Site

BLOCKS = {LABEL: 200, SCORE: 1, INTERVIEW: 1}
"""Results of each kind that are held at once: a chat or a rehearsal can be as large as thousands of pictures' rows."""
HIDDEN = frozenset({"password", "hash", "thumbnail", "file", "owner_id", "reviewer_id"})
"""Columns that are no data of a person's, or would let somebody in."""


def write_takeout(site: Site, user: User, path: Path) -> None:
    """Write the .zip of an account.

    Results are read in blocks, so that neither memory nor a transaction grows with their number. One that is deleted
    meanwhile is left out; every picture that a result names is in the .zip.
    """
    with (
        tempfile.TemporaryDirectory(dir=site.settings.temporary) as scratch,
        zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive,
    ):
        archive.writestr("account.json", json.dumps(_about(site, user), ensure_ascii=False, indent=1))
        rows = Path(scratch) / "results.jsonl"
        with rows.open("w", encoding="utf-8") as lines:
            for result in _results(site, user):
                pictures = [values(one) for one in result.pictures if _with_picture(site, one, archive)]
                documents = result.kind != LABEL and _with_documents(site, result, archive)
                if pictures or documents or _is_there(site, result):
                    row = {**values(result), "payload": result.payload, "pictures": pictures}
                    lines.write(json.dumps(row, ensure_ascii=False) + "\n")
        archive.write(rows, rows.name)


def values(row: Any) -> dict[str, Any]:
    """Return a row's columns as JSON-ready values, less those that stay hidden and those that were not loaded."""
    names = [column.key for column in row.__mapper__.column_attrs if column.key not in HIDDEN]
    loaded = {name: getattr(row, name) for name in names if name in row.__dict__}
    return {name: value.isoformat() if hasattr(value, "isoformat") else value for name, value in loaded.items()}


def _about(site: Site, user: User) -> dict[str, Any]:
    with site.database.reading() as db:
        tokens = db.scalars(select(AccessToken).where(AccessToken.owner_id == user.id))
        sessions = db.scalars(select(LoginSession).where(LoginSession.owner_id == user.id))
        return {
            **values(user),
            "access_tokens": [values(token) for token in tokens],
            "sessions": [values(one) | {"id": None} for one in sessions],
        }


def _results(site: Site, user: User) -> Iterator[Result]:
    """Yield the results of each kind, the newest first; one that is saved meanwhile comes once."""
    unsaved: set[str] = set()
    for saved in (False, True):
        for kind, size in BLOCKS.items():
            which = (Result.owner_id == user.id) & Result.saved.is_(saved) & (Result.kind == kind)
            options = (undefer(Result.payload), selectinload(Result.pictures))
            for result in in_blocks(site.database, which, size, *options):
                if not saved:
                    unsaved.add(result.id)
                if not saved or result.id not in unsaved:
                    yield result


def _with_picture(site: Site, picture: Picture, archive: zipfile.ZipFile) -> bool:
    """Put a picture into the .zip; tell whether it was still there."""
    try:
        archive.write(site.pictures.path(picture), f"pictures/{picture.id}.jpg", zipfile.ZIP_STORED)
    except FileNotFoundError:
        return False
    return True


def _with_documents(site: Site, result: Result, archive: zipfile.ZipFile) -> bool:
    """Put a result's page and text into the .zip; tell whether there were any."""
    with site.database.reading() as db:
        documents = list(db.scalars(select(Document).where(Document.result_id == result.id)))
    for document in documents:
        name, content = f"documents/{document.result_id}", document.content
        if document.kind == "page":
            archive.writestr(f"{name}.html", Report.unpacked(content).page)
        else:
            archive.writestr(f"{name}.txt", zlib.decompress(content))
    return bool(documents)


def _is_there(site: Site, result: Result) -> bool:
    with site.database.reading() as db:
        return db.scalar(select(Result.id).where(Result.id == result.id)) is not None
