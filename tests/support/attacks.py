"""What an attacker has of the site: every route, every form, and two people of whom one wants what the other has.

Routes and forms are found by walking, so that pages which are added later are attacked too.
"""

from __future__ import annotations

import asyncio
import itertools
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from html.parser import HTMLParser
from typing import Any

from fastapi import FastAPI
from httpx import Response
from sqlalchemy import func, select
from starlette.routing import Mount, Route

from clip_emotion.web.database.tables import (
    LABEL,
    AccessToken,
    Base,
    Document,
    LoginSession,
    Picture,
    Result,
    User,
)
from clip_emotion.web.security.forgery import SAFE
from clip_emotion.web.site import Site
from tests.support.site import Browser

MOVING = {("sessions", "seen"), ("access_tokens", "used")}
"""Columns that say when something was last used, which reading may change."""
_PARAMETER = re.compile(r"{([a-z_]+)(?::([a-z]+))?}")


@dataclass(frozen=True)
class Door:
    """One method of one route: ``{key}`` stands in the path for what is to be guessed."""

    method: str
    path: str

    @property
    def names(self) -> list[str]:
        """The names of the path's parameters."""
        return [found[0] for found in _PARAMETER.findall(self.path)]

    def filled(self, keys: Iterable[str]) -> list[str]:
        """Return the paths with every one of the keys in every place."""
        choices = itertools.product(list(keys), repeat=len(self.names))
        return [self.path if not self.names else _fill(self.path, choice) for choice in choices]


def _fill(path: str, values: tuple[str, ...]) -> str:
    left = iter(values)
    return _PARAMETER.sub(lambda found: next(left), path)


def doors(app: FastAPI, *, unsafe: bool) -> list[Door]:
    """Return every method of every route that changes something (``unsafe``), or that must not."""
    found = {
        Door(method, path)
        for path, methods in _routes(app.routes, "")
        for method in methods
        if (method not in SAFE) == unsafe and method not in ("HEAD", "OPTIONS")
    }
    return sorted(found, key=lambda door: (door.path, door.method))


def _routes(routes: Iterable[Any], prefix: str) -> Iterator[tuple[str, set[str]]]:
    for route in routes:
        if isinstance(route, Mount):
            yield from _routes(route.routes, prefix + route.path)
        elif isinstance(route, Route):
            yield prefix + route.path, set(route.methods or {"GET"})
        elif hasattr(route, "original_router"):  # how newer releases of FastAPI keep a router that is included
            context = getattr(route, "include_context", None)
            yield from _routes(route.original_router.routes, prefix + getattr(context, "prefix", ""))


@dataclass
class Field:
    """A field of a form, with what it may hold where it is a choice."""

    name: str
    kind: str
    value: str = ""
    choices: list[str] = field(default_factory=list)


@dataclass
class FoundForm:
    """A form of a page."""

    action: str
    method: str = "get"
    fields: list[Field] = field(default_factory=list)

    def values(self) -> dict[str, str]:
        """Return what the form sends when nothing is typed, without its token."""
        given = {one.name: one.value or (one.choices[0] if one.choices else "") for one in self.fields}
        return {name: value for name, value in given.items() if name != "csrf"}

    @property
    def typed(self) -> list[Field]:
        """The fields that people type in."""
        kinds = ("text", "email", "password", "search", "textarea", "number", "date", "url")
        return [one for one in self.fields if one.kind in kinds]

    @property
    def buttons(self) -> list[dict[str, str]]:
        """What each of the form's buttons adds; one that adds nothing where none has a name."""
        named = [{one.name: choice} for one in self.fields if one.kind == "submit" for choice in one.choices]
        return named or [{}]


class _Forms(HTMLParser):
    def __init__(self, page: str) -> None:
        super().__init__()
        self.page = page
        self.found: list[FoundForm] = []
        self._open: FoundForm | None = None

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        if tag == "form":
            self._open = FoundForm(given.get("action") or self.page, given.get("method", "get").lower())
            self.found.append(self._open)
        elif self._open is not None and tag == "option" and self._open.fields:
            self._open.fields[-1].choices.append(given.get("value", ""))
        elif self._open is not None and tag in ("input", "select", "textarea", "button") and given.get("name"):
            kind = given.get("type", "submit" if tag == "button" else "text" if tag == "input" else tag)
            known = next((one for one in self._open.fields if (one.name, one.kind) == (given["name"], kind)), None)
            known = known or Field(given["name"], kind, given.get("value", "") if kind != "submit" else "")
            if known not in self._open.fields:
                self._open.fields.append(known)
            if kind in ("submit", "radio", "checkbox"):
                known.choices.append(given.get("value", ""))

    def handle_endtag(self, tag: str) -> None:
        if tag == "form":
            self._open = None


def forms_of(page: str, path: str) -> list[FoundForm]:
    """Return the forms of a page of HTML."""
    parser = _Forms(path)
    parser.feed(page)
    return parser.found


def pages(browser: Browser, keys: Iterable[str] = ()) -> dict[str, Response]:
    """Open every page there is, with these keys in the paths, and return the answers by path."""
    paths = [path for door in doors(browser.app, unsafe=False) for path in door.filled(keys)]
    return {path: browser.get(path) for path in dict.fromkeys(paths)}


def forms(answers: dict[str, Response]) -> list[FoundForm]:
    """Return the different forms of pages."""
    found: dict[str, FoundForm] = {}
    for path, answer in answers.items():
        if answer.headers.get("content-type", "").startswith("text/html"):
            for form in forms_of(answer.text, path):
                found.setdefault(f"{form.method} {form.action} {[one.name for one in form.fields]}", form)
    return list(found.values())


def keys_of(site: Site, owner: str) -> list[str]:
    """Return keys that belong to a user: of each kind of result saved and unsaved, and of each other table, one."""
    results = select(func.min(Result.id)).where(Result.owner_id == owner).group_by(Result.kind, Result.saved)
    batches = (
        select(func.min(Result.batch)).where(Result.owner_id == owner, Result.kind == LABEL).group_by(Result.saved)
    )
    others = (Picture.id, Picture.file, AccessToken.id, LoginSession.id)
    with site.database.reading() as db:
        found = [key for query in (batches, results) for key in db.scalars(query)]
        single = [db.scalar(select(func.min(one)).where(one.class_.owner_id == owner)) for one in others]
    return [key for key in dict.fromkeys([*found, *single, owner]) if key]


def belongings(site: Site, owner: str) -> dict[str, list[Any]]:
    """Return all rows of a user with the files of the pictures, to compare; without what moves by reading."""
    kept = {name: rows for name, rows in tables(site, owner).items() if name not in ("audit_events", "failed_logins")}
    with site.database.reading() as db:
        files = list(db.scalars(select(Picture.file).where(Picture.owner_id == owner)))
    return {**kept, "files": [(name, (site.pictures.folder / name).read_bytes()) for name in sorted(files)]}


def tables(site: Site, owner: str | None = None) -> dict[str, list[Any]]:
    """Return the rows of every table, or those that belong to one user."""
    found: dict[str, list[Any]] = {}
    with site.database.reading() as db:
        for table in Base.metadata.sorted_tables:
            columns = [column for column in table.columns if (table.name, column.name) not in MOVING]
            query = select(*columns)
            if owner is not None and "owner_id" in table.columns:
                query = query.where(table.c.owner_id == owner)
            elif owner is not None and table.name == User.__tablename__:
                query = query.where(table.c.id == owner)
            elif owner is not None and table.name == Document.__tablename__:
                query = query.where(table.c.result_id.in_(select(Result.id).where(Result.owner_id == owner)))
            found[table.name] = sorted(map(repr, db.execute(query)))
    return found


@dataclass
class RawAnswer:
    """What the app answered to a request that no client would send, and how many pieces of its body it took."""

    status: int
    headers: dict[str, str]
    body: bytes
    taken: int


def raw(
    app: FastAPI,
    method: str,
    path: str,
    headers: dict[str, str] | None = None,
    pieces: Iterable[bytes] = (),
    query: bytes = b"",
) -> RawAnswer:
    """Send a request past every client's care: a path as it is, a body that is announced by nobody and may not end."""
    sent: list[dict[str, Any]] = []
    taken, left = 0, iter(pieces)

    async def receive() -> dict[str, Any]:
        nonlocal taken
        piece = next(left, None)
        taken += piece is not None
        return {"type": "http.request", "body": piece or b"", "more_body": piece is not None}

    async def send(message: Any) -> None:
        sent.append(message)

    lines = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in (headers or {}).items()]
    scope = {
        "type": "http", "asgi": {"version": "3.0"}, "http_version": "1.1", "method": method, "scheme": "https",
        "path": path, "raw_path": path.encode("utf-8"), "query_string": query, "root_path": "",
        "headers": [(b"host", b"testserver"), *lines], "client": ("192.0.2.1", 1), "server": ("testserver", 443),
    }  # fmt: skip
    asyncio.run(app(scope, receive, send))
    start = next(message for message in sent if message["type"] == "http.response.start")
    body = b"".join(message.get("body", b"") for message in sent if message["type"] == "http.response.body")
    given = {name.decode("latin-1"): value.decode("latin-1") for name, value in start["headers"]}
    return RawAnswer(start["status"], given, body, taken)


def cookies_of(browser: Browser) -> dict[str, str]:
    """Return the header that carries a browser's cookies."""
    return {"cookie": "; ".join(f"{name}={value}" for name, value in browser.client.cookies.items())}
