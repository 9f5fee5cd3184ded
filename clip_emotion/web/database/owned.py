"""Rows by their keys and their owners' together: a key that belongs to somebody else is as good as unknown."""

from __future__ import annotations

from typing import TypeVar

from sqlalchemy import select
from sqlalchemy.orm import Session
from sqlalchemy.sql.base import ExecutableOption
from starlette.exceptions import HTTPException

from clip_emotion.web.database.tables import AccessToken, Picture, Result, User

Row = TypeVar("Row", Result, Picture, AccessToken)


def owned(db: Session, kind: type[Row], key: str, owner: User, *options: ExecutableOption) -> Row:
    """Return the owner's row of a key, whose parts ``options`` load; raises HTTPException with 404 where there is none.

    ``owned(db, Result, key, visit.user, undefer(Result.payload), selectinload(Result.pictures))``
    """
    query = select(kind).where(kind.id == key, kind.owner_id == owner.id).options(*options)
    row = db.scalars(query).one_or_none()
    if row is None:
        raise HTTPException(404)
    return row
