"""What goes wrong as pages for people, and under ``/api/`` as problem details (RFC 9457)."""

from __future__ import annotations

import logging
from collections.abc import Callable
from http import HTTPStatus

from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from sqlalchemy.exc import DataError
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from clip_emotion.errors import ClipEmotionError, ModelError
from clip_emotion.web.busy import Busy
from clip_emotion.web.problem import API, problem
from clip_emotion.web.security.forgery import FORGED
from clip_emotion.web.security.headers import HEADERS, policy
from clip_emotion.web.security.rates import TooOften
from clip_emotion.web.texts import all_texts
from clip_emotion.web.visits import PasswordFirst, SignInFirst, login_path, visit_of

UNPROCESSABLE = 422
TOO_MANY_FILES = "Too many files"
"""How Starlette's sentence begins where a form has more files than it may."""
logger = logging.getLogger(__name__)


def fault(request: Request, status: int, detail: str = "", headers: dict[str, str] | None = None) -> Response:
    """Answer with a fault: a page for people, problem details for programs."""
    if request.url.path.startswith(API):
        return problem(status, detail, headers)
    visit = visit_of(request)
    known = f"faults.{status}" in all_texts()
    title = visit.t(f"faults.{status}") if known else f"{status} {HTTPStatus(status).phrase}"
    said = detail if visit.language == "en" and detail != FORGED else ""  # details are English sentences
    if detail.startswith(TOO_MANY_FILES):
        said = visit.t("label.too_many", count=visit.site.settings.most_pictures)
    response = visit.page("fault.html.j2", status, title=title, detail=said)
    response.headers.update(headers or {})
    return response


def add_fault_pages(app: FastAPI) -> None:
    """Register what answers each kind of fault; all of them run in threads, since pages read the database."""
    handlers: dict[type[Exception] | int, Callable[[Request, Exception], Response]] = {
        SignInFirst: lambda request, error: RedirectResponse(login_path(request), 303),
        PasswordFirst: lambda request, error: RedirectResponse(login_path(request, "/again"), 303),
        HTTPException: _of_http,
        RequestValidationError: _of_validation,
        TooOften: _of_waiting,
        Busy: _of_waiting,
        ClipEmotionError: _of_house,
        DataError: _of_values,
        OverflowError: _of_values,
        Exception: _of_program,
    }
    for kind, handler in handlers.items():
        app.add_exception_handler(kind, handler)


def _of_http(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    standard = error.detail == HTTPStatus(error.status_code).phrase
    return fault(request, error.status_code, "" if standard else error.detail, dict(error.headers or {}))


def _of_validation(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    if request.url.path.startswith(API):
        errors = [{"at": [str(step) for step in one["loc"]], "detail": one["msg"]} for one in error.errors()]
        return problem(UNPROCESSABLE, "The request does not fit the description of the API.", errors=errors)
    return fault(request, 404)


def _of_waiting(request: Request, error: Exception) -> Response:
    assert isinstance(error, TooOften | Busy)
    status = 429 if isinstance(error, TooOften) else 503
    return fault(request, status, "", {"retry-after": str(error.wait)})


def _of_house(request: Request, error: Exception) -> Response:
    return fault(request, 500 if isinstance(error, ModelError) else UNPROCESSABLE, str(error))


def _of_values(request: Request, error: Exception) -> Response:
    # What no column holds, such as a zero sign in PostgreSQL or a number of a hundred digits in SQLite.
    return fault(request, UNPROCESSABLE, "This value cannot be looked for.")


def _of_program(request: Request, error: Exception) -> Response:
    logger.error("%s %s failed", request.method, request.url.path, exc_info=error)
    # The outermost layer answers with this, above the one that adds the headers.
    return fault(request, 500, headers={**HEADERS, "content-security-policy": policy()})
