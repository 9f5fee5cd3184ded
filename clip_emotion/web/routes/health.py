"""Whether the process lives, and whether it can serve."""

from __future__ import annotations

from fastapi import APIRouter
from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError
from starlette.requests import Request
from starlette.responses import JSONResponse

from clip_emotion.web.database.migrating import is_current
from clip_emotion.web.site import Site

router = APIRouter(include_in_schema=False)


@router.get("/healthz")
async def healthz() -> JSONResponse:
    """Say that the process lives."""
    return JSONResponse({"status": "ok"})


@router.get("/readyz")
def readyz(request: Request) -> JSONResponse:
    """Say whether the database answers and has the newest tables, and the queue has room; 503 where not."""
    site = Site.of(request)
    room = site.labelling.waiting < site.settings.queue
    try:
        with site.database.reading() as db:
            db.execute(text("SELECT 1"))
        current = is_current(site.database.engine)
    except SQLAlchemyError:
        current = False
    checks = {"database": current, "queue": room}
    return JSONResponse({"ready": all(checks.values()), **checks}, 200 if all(checks.values()) else 503)
