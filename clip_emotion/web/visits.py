"""A visit: one request for a page, with who asks, in which language, and how it is answered.

Pages are written as plain functions on routers of ``open_pages()`` (for everybody), ``own_pages()`` (for people with
an account) and ``admin_pages()``. Those see to it that nobody else comes in, before a body is read, and that every
unsafe request carries the token of its session.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass, field
from typing import Annotated, Any, TypeVar
from urllib.parse import quote, urlencode

from fastapi import APIRouter, Depends
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response

from clip_emotion.web import cookies
from clip_emotion.web.database.tables import LoginSession, User
from clip_emotion.web.forms import Form
from clip_emotion.web.pages import render
from clip_emotion.web.security.forgery import END, FIELD, FORGED, HEADER, SAFE
from clip_emotion.web.security.rates import address_of
from clip_emotion.web.security.trail import record, record_failure
from clip_emotion.web.site import Site
from clip_emotion.web.texts import Translate, preferred, translator

LONGEST_FIELD = 256 * 1024
"""Bytes of one field of a form that is no file: forms are held in memory, files are not."""
Answer = TypeVar("Answer", bound=Response)


class SignInFirst(Exception):
    """The page is for people with an account, and nobody is logged in."""


class PasswordFirst(Exception):
    """The page wants the password once more, since it was given too long ago."""


@dataclass
class Visit:
    """One request for a page; ``account`` is None for a visitor, ``cookie`` is what the token of forms is bound to."""

    request: Request
    site: Site
    language: str
    cookie: str
    new_visitor: bool = False
    account: User | None = None
    session: LoginSession | None = None
    _set: dict[str, tuple[str, int | None]] = field(default_factory=dict)
    _dropped: list[str] = field(default_factory=list)

    @property
    def user(self) -> User:
        """The user who is logged in, on pages of people with an account."""
        if self.account is None:
            raise SignInFirst
        return self.account

    @property
    def t(self) -> Translate:
        """What says texts in the visit's language."""
        return translator(self.language)

    @property
    def address(self) -> str:
        """Where the request came from, as far as a trusted proxy says so; of IPv6 the network, which one person has."""
        return address_of(self.request)

    @property
    def token(self) -> str:
        """What an unsafe request must carry: bound to the session, or to the visitor without one."""
        return self.site.secret.sign(END, self.cookie)

    def count_upload(self) -> None:
        """Count an upload; raises TooOften where the user or the address made too many."""
        self.site.rates.count("upload-account", self.user.id)
        self.site.rates.count("upload-address", self.address)

    def password_fits(self, password: str) -> bool:
        """Tell whether a password is that of the visit's user; counted, so that nobody tries many."""
        site, user = self.site, self.user
        site.rates.count("password-account", user.id)
        if site.passwords.fits(password, user.password):
            site.rates.forget("password-account", user.id)
            return True
        with site.database.writing() as db:
            record_failure(db, user.id, self.address)
        return False

    def page(self, template: str, status: int = 200, **values: Any) -> HTMLResponse:
        """Answer with a page made of a template; ``fault`` (the key of a text) is told above it."""
        return self.html(render(template, self, values), status)

    def html(self, content: str, status: int = 200) -> HTMLResponse:
        """Answer with HTML that is there already."""
        return self.complete(HTMLResponse(content, status))

    def redirect(self, to: str, said: str | None = None, **query: str) -> Response:
        """Answer a form: go to another page, which then tells a text (its key, such as ``account.changed``)."""
        pairs = {**query, **({"said": said} if said else {})}
        where = f"{to}{'&' if '?' in to else '?'}{urlencode(pairs)}" if pairs else to
        return self.complete(RedirectResponse(where, 303))

    def complete(self, response: Answer) -> Answer:
        """Add the visit's cookies to an answer."""
        settings = self.site.settings
        if self.new_visitor and not self._set.get(cookies.SESSION):
            cookies.set_cookie(response, settings, cookies.VISITOR, self.cookie)
        for name, (value, seconds) in self._set.items():
            cookies.set_cookie(response, settings, name, value, seconds=seconds)
        for name in self._dropped:
            cookies.drop_cookie(response, settings, name)
        return response

    def set_cookie(self, name: str, value: str, seconds: int | None = None) -> None:
        """Set a cookie with the answer."""
        self._set[name] = (value, seconds)

    def drop_cookie(self, name: str) -> None:
        """Drop a cookie with the answer."""
        self._dropped.append(name)

    def log_in(self, user: User, deed: str) -> None:
        """Begin a session with a new id; the one that the browser had before is over, and the visitor's id too."""
        site = self.site
        self.log_out()
        with site.database.writing() as db:
            token = site.sessions.begin(db, user)
            record(db, deed, user.id)
        self._dropped = [cookies.VISITOR]
        self.set_cookie(cookies.SESSION, token, int(site.settings.session_absolute.total_seconds()))

    def log_out(self) -> None:
        """End the session, in the database and in the browser."""
        if self.session is not None:
            self.site.sessions.end(self.cookie)
        self.drop_cookie(cookies.SESSION)


def visit_of(request: Request) -> Visit:
    """Return the visit of a request: its session looked up, its language chosen."""
    site = Site.of(request)
    settings = site.settings
    known: Visit | None = getattr(request.state, "visit", None)
    if known is not None:
        return known
    token = request.cookies.get(cookies.cookie_name(settings, cookies.SESSION), "")
    found = site.sessions.find(token) if token else None
    if found is not None:
        visit = Visit(request, site, "", token, account=found.user, session=found.session)
    else:
        visitor = request.cookies.get(cookies.cookie_name(settings, cookies.VISITOR), "")
        visit = Visit(request, site, "", visitor or secrets.token_urlsafe(32), new_visitor=not visitor)
    visit.language = _language(request, site, visit.account)
    request.state.visit = visit
    return visit


def _language(request: Request, site: Site, account: User | None) -> str:
    languages = site.settings.languages
    chosen = request.cookies.get(cookies.cookie_name(site.settings, cookies.LANGUAGE))
    for language in (chosen, account.language if account else None):
        if language in languages:
            return str(language)
    return preferred(request.headers.get("accept-language", ""), languages)


def _own(visit: Anyone) -> Visit:
    if visit.account is None:
        raise SignInFirst
    return visit


def _admin(visit: Own) -> Visit:
    if not visit.user.is_admin:
        raise HTTPException(404)
    if visit.session is None or not visit.site.sessions.is_fresh(visit.session):
        raise PasswordFirst
    return visit


async def _form(request: Request, visit: Anyone) -> Form:
    """Return what a form sent; raises HTTPException with 403 where it lacks the token of the visit's session."""
    most = visit.site.settings.most_pictures + 1
    form = Form(await request.form(max_files=most, max_fields=200, max_part_size=LONGEST_FIELD))
    given = request.headers.get(HEADER) or form.text(FIELD)
    if not visit.site.secret.fits(END, visit.cookie, given):
        raise HTTPException(403, FORGED)
    return form


async def _guard(request: Request, visit: Anyone) -> None:
    if request.method not in SAFE:
        request.state.form = await _form(request, visit)


def _guarded(request: Request) -> Form:
    form: Form = request.state.form
    return form


Anyone = Annotated[Visit, Depends(visit_of)]
"""The visit, on any page."""
Own = Annotated[Visit, Depends(_own)]
"""The visit of somebody with an account: ``visit.user``."""
Admin = Annotated[Visit, Depends(_admin)]
"""The visit of an admin who gave the password a short while ago."""
Posted = Annotated[Form, Depends(_guarded)]
"""What a form sent, its token checked."""


def open_pages() -> APIRouter:
    """Return a router for pages that everybody may see."""
    return APIRouter(include_in_schema=False, dependencies=[Depends(_guard)])


def own_pages() -> APIRouter:
    """Return a router for pages of people with an account; others are sent to log in."""
    return APIRouter(include_in_schema=False, dependencies=[Depends(_own), Depends(_guard)])


def admin_pages() -> APIRouter:
    """Return a router for the admin's pages; nobody else learns that they are there."""
    return APIRouter(include_in_schema=False, dependencies=[Depends(_admin), Depends(_guard)])


def local_path(path: str) -> str:
    """Return a path of this site as it was given, and the start page for anything else."""
    plain = path.startswith("/") and not path.startswith("//") and path.isascii() and path.isprintable()
    return path if plain and "\\" not in path else "/"


def login_path(request: Request, login: str = "/login") -> str:
    """Return the log-in page that leads back to a page that was asked for."""
    back = request.url.path + (f"?{request.url.query}" if request.url.query else "")
    return f"{login}?next={quote(back, safe='/')}" if request.method in SAFE and back != "/" else login
