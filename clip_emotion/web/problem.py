"""Problem details (RFC 9457): how the API says what went wrong."""

from __future__ import annotations

from http import HTTPStatus

from starlette.responses import JSONResponse, PlainTextResponse, Response

API = "/api/"
"""Where programs are answered."""
PROBLEM = "application/problem+json"


def problem(status: int, detail: str = "", headers: dict[str, str] | None = None, **more: object) -> JSONResponse:
    """Return problem details: type, title, status and detail, and what more is known."""
    title = HTTPStatus(status).phrase
    content = {"type": "about:blank", "title": title, "status": status, "detail": detail or title, **more}
    return JSONResponse(content, status, headers=headers, media_type=PROBLEM)


def refusal(path: str, status: int, said: str) -> Response:
    """Return what is answered before a page or the API sees a request; its body is left unread."""
    close = {"connection": "close"}
    return problem(status, said, close) if path.startswith(API) else PlainTextResponse(said, status, close)
