"""Addresses of requests: such as hold a zero sign, which no key and no database has, are refused."""

from __future__ import annotations

from starlette.types import ASGIApp, Receive, Scope, Send

from clip_emotion.web.problem import refusal


class PathMiddleware:
    """Refuses requests whose path or query holds a zero sign."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, or answer it with 400."""
        if scope["type"] == "http" and ("\0" in scope["path"] or b"%00" in scope["query_string"]):
            answer = refusal(scope["path"], 400, "This address holds a sign that none has.")
            await answer(scope, receive, send)
            return
        await self.app(scope, receive, send)
