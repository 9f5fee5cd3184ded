"""Everything that the site keeps of one account, as a .zip: the account, its results, its pictures, its documents."""

from __future__ import annotations

import json
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session, selectinload, undefer

from clip_emotion.web.database.tables import AccessToken, Document, LoginSession, Picture, Result, User
from clip_emotion.web.reports import Report
from clip_emotion.web.site import Site

BLOCK = 200
HIDDEN = frozenset({"password", "hash", "thumbnail", "file", "owner_id", "reviewer_id"})
"""Columns that are no data of a person's, or would let somebody in."""


def write_takeout(site: Site, user: User, path: Path) -> None:
    """Write the .zip of an account."""
    with site.database.reading() as db, zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        tokens = db.scalars(select(AccessToken).where(AccessToken.owner_id == user.id))
        sessions = db.scalars(select(LoginSession).where(LoginSession.owner_id == user.id))
        about = {
            **values(user),
            "access_tokens": [values(token) for token in tokens],
            "sessions": [values(one) | {"id": None} for one in sessions],
        }
        archive.writestr("account.json", json.dumps(about, ensure_ascii=False, indent=1))
        with archive.open("results.jsonl", "w") as lines:
            for result in _results(db, user):
                pictures = [values(picture) for picture in result.pictures]
                row = {**values(result), "payload": result.payload, "pictures": pictures}
                lines.write(json.dumps(row, ensure_ascii=False).encode("utf-8") + b"\n")
        for picture in db.scalars(select(Picture).where(Picture.owner_id == user.id)):
            with suppress(FileNotFoundError):  # deleted since the archive was begun
                archive.write(site.pictures.path(picture), f"pictures/{picture.id}.jpg", zipfile.ZIP_STORED)
        query = select(Document).join(Result).where(Result.owner_id == user.id)
        for document in db.scalars(query.execution_options(yield_per=BLOCK)):
            name, content = f"documents/{document.result_id}", document.content
            if document.kind == "page":
                archive.writestr(f"{name}.html", Report.unpacked(content).page)
            else:
                archive.writestr(f"{name}.txt", zlib.decompress(content))


def values(row: Any) -> dict[str, Any]:
    """Return a row's columns as JSON-ready values, less those that stay hidden and those that were not loaded."""
    names = [column.key for column in row.__mapper__.column_attrs if column.key not in HIDDEN]
    loaded = {name: getattr(row, name) for name in names if name in row.__dict__}
    return {name: value.isoformat() if hasattr(value, "isoformat") else value for name, value in loaded.items()}


def _results(db: Session, user: User) -> Iterator[Result]:
    query = select(Result).where(Result.owner_id == user.id).order_by(Result.created, Result.id)
    query = query.options(undefer(Result.payload), selectinload(Result.pictures))
    yield from db.scalars(query.execution_options(yield_per=BLOCK))
