"""Who calls the API: by a personal access token in the header, before a body is read; cookies are not looked at."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends, Header
from starlette.exceptions import HTTPException
from starlette.requests import Request

from clip_emotion.web.bearer import Bearer
from clip_emotion.web.database.tables import AccessToken, User
from clip_emotion.web.idempotency import HEADER, LONGEST, Write, digest
from clip_emotion.web.site import Site

ANY = ""
"""The scope of what every token may do."""


@dataclass(frozen=True)
class Call:
    """One request to the API."""

    request: Request
    site: Site
    user: User
    token: AccessToken

    def write(self, key: str | None, *parts: str | bytes) -> Write:
        """Return the write that this call asks for, known by its path and ``parts``, what its body says."""
        asked = digest(self.request.method, self.request.url.path, self.request.url.query, *parts)
        return Write(self.site.database, self.user.id, key, asked)


def caller(scope: str = ANY) -> Callable[[Request, Bearer], Call]:
    """Return what finds out who calls, and lets in only tokens that may do this.

    It raises HTTPException with 401 for no valid token and with 403 for one without the scope, and TooOften.
    """

    def find(request: Request, known: Bearer) -> Call:
        site = Site.of(request)
        if known is None:
            raise HTTPException(401, "Send a valid token: Authorization: Bearer ce_…", {"www-authenticate": "Bearer"})
        site.rates.count("api-token", known.token.id)
        site.rates.count("api-account", known.user.id)
        if scope and not known.may(scope):
            challenge = {"www-authenticate": f'Bearer error="insufficient_scope", scope="{scope}"'}
            raise HTTPException(403, f"This token was not made for '{scope}': make one that is.", challenge)
        return Call(request, site, known.user, known.token)

    return find


Known = Annotated[Call, Depends(caller())]
"""A call with any valid token."""
Key = Annotated[
    str | None,
    Header(
        alias=HEADER, min_length=1, max_length=LONGEST, pattern=r"^[!-~]+$",
        description="Chosen by you: asked again with the same key, the same answer is given and nothing is done twice.",
    ),
]  # fmt: skip
"""The key of a write that is done once."""
