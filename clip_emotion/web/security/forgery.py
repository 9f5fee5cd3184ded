"""Requests forged by other sites: unsafe methods need a fitting origin, before anything is read, and a token.

The API under ``/api/`` reads no cookie at all, so that nothing can be forged there.
"""

from __future__ import annotations

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from clip_emotion.web.problem import API, refusal

SAFE = frozenset({"GET", "HEAD", "OPTIONS"})
FIELD, HEADER = "csrf", "x-csrf-token"
FORGED = "forged"
"""The detail of a fault that a missing or wrong token is."""
END = "csrf"
"""What the site's secret signs a session's id for, to make its token."""


class OriginMiddleware:
    """Refuses unsafe requests that another site sent, or of which no header says who sent them."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, or answer it with 403."""
        unsafe = scope["type"] == "http" and scope["method"] not in SAFE and not scope["path"].startswith(API)
        if unsafe and not is_own(Headers(scope=scope), scope["scheme"]):
            answer = refusal(scope["path"], 403, "This request came from another site.")
            await answer(scope, receive, send)
            return
        await self.app(scope, receive, send)


def is_own(headers: Headers, scheme: str) -> bool:
    """Tell whether a request came from the site's own pages, by Sec-Fetch-Site or else by Origin."""
    fetched = headers.get("sec-fetch-site")
    if fetched is not None and fetched != "same-origin":
        return False
    origin = headers.get("origin")
    if origin is not None:
        return origin.casefold() == f"{scheme}://{headers.get('host', '')}".casefold()
    return fetched is not None
