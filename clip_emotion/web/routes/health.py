"""Whether the process lives, whether it can serve, and its numbers for Prometheus."""

from __future__ import annotations

from fastapi import APIRouter
from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response

from clip_emotion.web.bearer import Credentials, bearer_of
from clip_emotion.web.database.migrating import is_current
from clip_emotion.web.metrics import MEDIA
from clip_emotion.web.security import tokens
from clip_emotion.web.site import Site

LOOPBACK = frozenset({"127.0.0.1", "::1"})
FORWARDED = ("forwarded", "x-forwarded-for", "x-real-ip")
"""What a proxy adds: with one of these a request came from elsewhere, whatever its address says."""

router = APIRouter(include_in_schema=False)


@router.get("/healthz")
async def healthz() -> JSONResponse:
    """Say that the process lives."""
    return JSONResponse({"status": "ok"})


@router.get("/readyz")
def readyz(request: Request) -> JSONResponse:
    """Say whether the model takes pictures, the queue has room, the database answers and has the newest tables."""
    site = Site.of(request)
    room = site.labelling.waiting < site.settings.queue
    try:
        with site.database.reading() as db:
            db.execute(text("SELECT 1"))
        current = is_current(site.database.engine)
    except SQLAlchemyError:
        current = False
    checks = {"database": current, "model": site.labelling.ready, "queue": room}
    return JSONResponse({"ready": all(checks.values()), **checks}, 200 if all(checks.values()) else 503)


@router.get("/metrics")
def metrics(request: Request, credentials: Credentials) -> Response:
    """Send the numbers of this process: to this very machine, and to an admin's token made for them."""
    site = Site.of(request)
    if not (is_local(request) or _may_measure(bearer_of(request, credentials))):
        said = f"Ask from this machine, or send an admin's token with the scope '{tokens.METRICS}'."
        return PlainTextResponse(said, 401, {"www-authenticate": "Bearer"})
    return Response(site.metrics.text(), media_type=MEDIA)


def is_local(request: Request) -> bool:
    """Tell whether a request was sent by this very machine, through no proxy."""
    forwarded = any(name in request.headers for name in FORWARDED)
    return request.client is not None and request.client.host in LOOPBACK and not forwarded


def _may_measure(known: tokens.Caller | None) -> bool:
    return known is not None and known.may(tokens.METRICS)
