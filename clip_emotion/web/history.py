"""A person's results: which of them are meant, page by page from the newest, and how they are deleted."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, fields, replace
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache

from sqlalchemy import ColumnElement, delete, func, select, tuple_, update
from sqlalchemy.orm import Session
from sqlalchemy.sql.base import ExecutableOption
from starlette.exceptions import HTTPException

from clip_emotion.label import FAMILIES
from clip_emotion.text import nfc
from clip_emotion.web.database import Database
from clip_emotion.web.database.owned import owned
from clip_emotion.web.database.tables import INTERVIEW, LABEL, SCORE, Picture, Result, User
from clip_emotion.web.security.trail import record
from clip_emotion.web.site import Site
from clip_emotion.web.wording import OFFERED, OTHER, shipped

KINDS = (LABEL, SCORE, INTERVIEW)
SAVED, UNSAVED = "yes", "no"
PAGE = 50
"""Results of one page."""
LONGEST, KEY_LENGTH = 80, 22
Place = tuple[datetime, str]
"""Time and key of a result, which say where it stands in the list."""
MOST = 200
"""Vocabularies that a person may choose among."""


@dataclass(frozen=True)
class Filter:
    """Which results are meant; an empty field means any. ``begin`` and ``end`` are dates in UTC, both included."""

    kind: str = ""
    vocabulary: str = ""
    word: str = ""
    family: str = ""
    begin: str = ""
    end: str = ""
    saved: str = SAVED

    @classmethod
    def of(cls, values: Mapping[str, str]) -> Filter:
        """Return the filter that a query or a form names; what is unknown there means any."""
        made = cls(**{one.name: _plain(values.get(one.name, "")) for one in fields(cls)})
        return replace(
            made,
            kind=made.kind if made.kind in KINDS else "",
            family=made.family if made.family in (*FAMILIES, OTHER) else "",
            begin=made.begin if _date(made.begin) else "",
            end=made.end if _date(made.end) else "",
            saved=UNSAVED if made.saved == UNSAVED else SAVED,
        )

    @property
    def query(self) -> dict[str, str]:
        """What a link to these results carries."""
        return {name: value for name, value in asdict(self).items() if value and (name, value) != ("saved", SAVED)}

    def where(self, owner_id: str) -> ColumnElement[bool]:
        """Return the condition on results: the owner's own alone."""
        found = (Result.owner_id == owner_id) & Result.saved.is_(self.saved == SAVED)
        if self.kind:
            found &= Result.kind == self.kind
        if self.vocabulary:
            found &= Result.vocabulary == self.vocabulary
        if self.word:
            found &= Result.leading.in_(keys_of(self.word))
        if self.family:
            found &= Result.family.is_(None) if self.family == OTHER else Result.family == self.family
        if begin := _date(self.begin):
            found &= Result.created >= datetime.combine(begin, time(), UTC)
        if end := _date(self.end):
            found &= Result.created < datetime.combine(end, time(), UTC) + timedelta(days=1)
        return found


@dataclass(frozen=True)
class Page:
    """Some results, the newest first, and the cursor of those that follow; None at the end."""

    results: Sequence[Result]
    after: str | None


def page_of(db: Session, owner_id: str, chosen: Filter, cursor: str = "", size: int = PAGE) -> Page:
    """Return the results that follow a cursor, or the newest ones; a cursor that is none means those too."""
    return newest(db, chosen.where(owner_id), place_of(cursor), size)


def newest(db: Session, which: ColumnElement[bool], place: Place | None, size: int, *options: ExecutableOption) -> Page:
    """Return the newest results of a condition, or those that follow a place; ``options`` load parts of them.

    What is listed is found in the index alone; only the rows of the page are then read.
    """
    query = select(Result.created, Result.id).where(which)
    if place is not None:
        query = query.where(tuple_(Result.created, Result.id) < tuple_(*place))
    query = query.order_by(Result.created.desc(), Result.id.desc()).limit(size + 1)
    places = [(created, key) for created, key in db.execute(query)]
    found = db.scalars(select(Result).where(Result.id.in_([key for _, key in places[:size]])).options(*options))
    rows = {row.id: row for row in found}
    results = [rows[key] for _, key in places[:size] if key in rows]  # less what was deleted meanwhile
    return Page(results, cursor_of(places[size - 1]) if len(places) > size else None)


def in_blocks(
    database: Database, which: ColumnElement[bool], size: int, *options: ExecutableOption
) -> Iterator[Result]:
    """Yield all results of a condition, the newest first, of which ``size`` at most are held at once.

    Each block is read by itself, so that no transaction lasts as long as a slow reader. What is deleted before its
    block is read is not among them.
    """
    cursor: str | None = ""
    while cursor is not None:
        with database.reading() as db:
            page = newest(db, which, place_of(cursor), size, *options)
        yield from page.results
        cursor = page.after


def count_of(db: Session, owner_id: str, chosen: Filter) -> int:
    """Return how many results are meant."""
    return db.scalar(select(func.count()).select_from(Result).where(chosen.where(owner_id))) or 0


def first_pictures(db: Session, results: Sequence[Result]) -> dict[str, str]:
    """Return the key of each result's first picture by the result's key."""
    keys = [one.id for one in results]
    query = select(Picture.result_id, Picture.id).join(Result).where(Picture.result_id.in_(keys))
    first = (Result.kind == LABEL) | (Picture.position == 0)
    return {row.result_id: row.id for row in db.execute(query.where(first))}


def vocabularies_of(db: Session, owner_id: str) -> list[str]:
    """Return the vocabularies that a person has saved results of: one look into the index for each, none is counted."""
    found: list[str] = []
    for kind in KINDS:
        last: str | None = ""
        mine = (Result.owner_id == owner_id) & Result.saved.is_(True) & (Result.kind == kind)
        while last is not None and len(found) < MOST:
            last = db.scalar(select(func.min(Result.vocabulary)).where(mine, Result.vocabulary > last))
            found += [last] if last else []
    return sorted({*found})


def delete_results(db: Session, which: ColumnElement[bool]) -> list[str]:
    """Delete results with all that belongs to them; return the files to remove when that is committed."""
    files = list(db.scalars(select(Picture.file).join(Result).where(which)))
    db.execute(delete(Result).where(which))
    return files


def delete_one(site: Site, owner: User, key: str, *kinds: str) -> None:
    """Delete one of the owner's results with its pictures; raises HTTPException with 404 for none of these kinds."""
    with site.database.writing() as db:
        result = owned(db, Result, key, owner)
        if kinds and result.kind not in kinds:
            raise HTTPException(404)
        files = delete_results(db, Result.id == result.id)
        record(db, "result.deleted", owner.id, key)
    site.pictures.remove(files)


def save_results(db: Session, which: ColumnElement[bool]) -> None:
    """Keep results that would be gone after a while."""
    db.execute(update(Result).where(which, Result.leading.is_not(None)).values(saved=True))


def among(owner_id: str, keys: Collection[str]) -> ColumnElement[bool]:
    """Return the condition on the owner's results of these keys; those of others are passed over."""
    return (Result.owner_id == owner_id) & Result.id.in_(keys)


@lru_cache(1000)
def keys_of(word: str) -> tuple[str, ...]:
    """Return the keys under which a word may lead a result: its own, and those of shipped words that it names."""
    found = [label.key for name in OFFERED if (label := shipped(name).match(word)) is not None]
    return tuple(dict.fromkeys([word, *found]))


def cursor_of(place: Place) -> str:
    """Return the cursor of what follows a place."""
    text = f"{place[0].isoformat()} {place[1]}"
    return base64.urlsafe_b64encode(text.encode("utf-8")).decode("ascii").rstrip("=")


def place_of(cursor: str) -> Place | None:
    """Return the place of a cursor in the list; None for a text that is no cursor."""
    try:
        text = base64.urlsafe_b64decode(cursor[:200] + "=" * (-len(cursor[:200]) % 4)).decode("ascii")
        created, _, key = text.partition(" ")
        moment = datetime.fromisoformat(created)
    except (ValueError, binascii.Error):
        return None
    sound = moment.tzinfo is not None and _likely(moment) and key.isprintable() and len(key) == KEY_LENGTH
    return (moment, key) if sound else None


def _date(text: str) -> date | None:
    try:
        found = date.fromisoformat(text) if len(text) == 10 else None
    except ValueError:
        return None
    return found if found and _likely(found) else None


def _likely(day: date) -> bool:
    """Tell whether a database and its time zones can hold a date."""
    return 1900 < day.year < 9000


def _plain(text: str) -> str:
    return "".join(sign for sign in nfc(text[:LONGEST]) if sign.isprintable()).strip()
