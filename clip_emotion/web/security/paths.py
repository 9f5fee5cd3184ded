"""Addresses of requests: such as hold a zero sign, which no key and no database has, are refused."""

from __future__ import annotations

from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from clip_emotion.web.problem import API, problem


class PathMiddleware:
    """Refuses requests whose path or query holds a zero sign."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, or answer it with 400."""
        if scope["type"] == "http" and ("\0" in scope["path"] or b"%00" in scope["query_string"]):
            said, close = "This address holds a sign that none has.", {"connection": "close"}
            api = scope["path"].startswith(API)
            answer = problem(400, said, close) if api else PlainTextResponse(said, 400, close)
            await answer(scope, receive, send)
            return
        await self.app(scope, receive, send)
