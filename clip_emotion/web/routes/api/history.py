"""``/api/v1/history``: saved results, page by page, one by one, and deleted."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Annotated

from fastapi import APIRouter, Depends, Path, Query
from pydantic import BeforeValidator
from sqlalchemy import ColumnElement, and_
from sqlalchemy.orm import selectinload, undefer
from starlette.responses import Response

from clip_emotion.errors import UsageError
from clip_emotion.web.database.owned import owned
from clip_emotion.web.database.tables import Result, User
from clip_emotion.web.history import delete_one, newest, place_of
from clip_emotion.web.routes.api.calls import Call, Key, caller
from clip_emotion.web.routes.api.description import SCOPE
from clip_emotion.web.routes.api.problems import problems
from clip_emotion.web.routes.api.schemas import Entries, FullEntry, Kind, entry, full_entry
from clip_emotion.web.security.tokens import DELETE, HISTORY

MOST = 200
TEXT = r"^[^\x00]+$"
"""Texts that every database takes."""
READ = Annotated[Call, Depends(caller(HISTORY))]
OneKey = Annotated[str, Path(max_length=22, pattern=TEXT, description="The key of a saved result.")]
ISO = re.compile(r"\d{4}-\d\d-\d\dT")
router = APIRouter()


def _written(value: object) -> object:
    if isinstance(value, str) and not ISO.match(value):
        raise ValueError("a time is written as 2026-01-31T09:00:00Z")
    return value


class Filters:
    """Which saved results are wanted."""

    def __init__(
        self,
        kind: Annotated[Kind | None, Query(description="Results of this kind alone.")] = None,
        vocabulary: Annotated[
            str | None, Query(max_length=80, pattern=TEXT, description="Of this vocabulary alone.")
        ] = None,
        leading: Annotated[
            str | None, Query(max_length=80, pattern=TEXT, description="With this surest word alone.")
        ] = None,
        since: Annotated[
            datetime | None, BeforeValidator(_written), Query(description="Made at this time or later.")
        ] = None,
        until: Annotated[
            datetime | None, BeforeValidator(_written), Query(description="Made before this time.")
        ] = None,
    ) -> None:
        self.values = {"kind": kind, "vocabulary": vocabulary, "leading": leading}
        self.since, self.until = _utc(since), _utc(until)

    def of(self, owner: User) -> ColumnElement[bool]:
        """Return the condition: the owner's saved results that are wanted."""
        found: list[ColumnElement[bool]] = [Result.owner_id == owner.id, Result.saved.is_(True)]
        found += [getattr(Result, name) == value for name, value in self.values.items() if value is not None]
        found += [Result.created >= self.since] if self.since else []
        return and_(*found, *([Result.created < self.until] if self.until else []))


@router.get(
    "/history",
    summary="List saved results",
    response_model=Entries,
    openapi_extra={SCOPE: HISTORY},
    responses=problems(),
)
def list_history(
    call: READ,
    filters: Annotated[Filters, Depends()],
    limit: Annotated[int, Query(ge=1, le=MOST, description="How many a page holds.")] = 50,
    cursor: Annotated[str | None, Query(max_length=200, description="The ``next`` of the page before.")] = None,
) -> Entries:
    """Return saved results, the newest first."""
    place = None if cursor is None else place_of(cursor)
    if cursor is not None and place is None:
        raise UsageError("This cursor is none of this API: take the 'next' of the page before.")
    with call.site.database.reading() as db:
        page = newest(db, filters.of(call.user), place, limit, selectinload(Result.pictures))
    return Entries(items=[entry(one) for one in page.results], next=page.after)


@router.get(
    "/history/{key}",
    summary="One saved result",
    response_model=FullEntry,
    openapi_extra={SCOPE: HISTORY},
    responses=problems(404),
)
def read_history(call: READ, key: OneKey) -> FullEntry:
    """Return a saved result with its rows, or with the JSON of its chat."""
    with call.site.database.reading() as db:
        return full_entry(owned(db, Result, key, call.user, undefer(Result.payload), selectinload(Result.pictures)))


@router.delete(
    "/history/{key}",
    summary="Delete a saved result",
    status_code=204,
    openapi_extra={SCOPE: DELETE},
    responses=problems(404, 409),
)
def delete_history(call: Annotated[Call, Depends(caller(DELETE))], key: OneKey, again: Key = None) -> Response:
    """Delete a saved result with its pictures, for good."""
    call.write(again).once(lambda: delete_one(call.site, call.user, key))
    return Response(status_code=204)


def _utc(moment: datetime | None) -> datetime | None:
    if moment is None:
        return None
    try:
        if moment.tzinfo is not None:
            return moment.astimezone(UTC)
    except OverflowError:
        pass
    raise UsageError("A time needs its zone, such as 2026-01-31T09:00:00Z.")
