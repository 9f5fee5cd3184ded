"""Programs that call: by a personal access token in the header, looked up here for every address that takes one."""

from __future__ import annotations

from typing import Annotated

from fastapi import Depends
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from starlette.requests import Request

from clip_emotion.web.security import tokens
from clip_emotion.web.security.rates import address_of
from clip_emotion.web.site import Site

BEARER = HTTPBearer(auto_error=False, scheme_name="token", description="A personal access token, from your account.")
Credentials = Annotated[HTTPAuthorizationCredentials | None, Depends(BEARER)]
"""What a request's header says after ``Bearer``; None where it has none."""


def bearer_of(request: Request, credentials: Credentials) -> tokens.Caller | None:
    """Return who calls, or None for no token and for one that is not valid.

    Wrong ones count against their address: raises TooOften for too many.
    """
    if credentials is None:
        return None
    site = Site.of(request)
    known = tokens.find(site.database, credentials.credentials.strip())
    if known is None:
        site.rates.count("api-wrong-address", address_of(request))
    return known


Bearer = Annotated[tokens.Caller | None, Depends(bearer_of)]
"""Who calls with a token, if anybody."""
