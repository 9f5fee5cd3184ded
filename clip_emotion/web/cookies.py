"""The cookies: who a session is, who a visitor without one is, and which language was chosen."""

from __future__ import annotations

from starlette.responses import Response

from clip_emotion.web.settings import Settings

SESSION, VISITOR, LANGUAGE = "session", "visitor", "language"
YEAR = 365 * 24 * 3600


def cookie_name(settings: Settings, name: str) -> str:
    """Return a cookie's full name: bound to this host by its prefix, but for plain HTTP on this very machine."""
    return f"clip-emotion-{name}" if settings.loopback else f"__Host-{name}"


def set_cookie(response: Response, settings: Settings, name: str, value: str, *, seconds: int | None = None) -> None:
    """Set a cookie that no script reads and no other site sends; without ``seconds`` the browser forgets it."""
    response.set_cookie(
        cookie_name(settings, name), value, max_age=seconds, path="/", secure=not settings.loopback, httponly=True,
        samesite="lax",
    )  # fmt: skip


def drop_cookie(response: Response, settings: Settings, name: str) -> None:
    """Let the browser forget a cookie."""
    response.delete_cookie(
        cookie_name(settings, name), path="/", secure=not settings.loopback, httponly=True, samesite="lax"
    )
