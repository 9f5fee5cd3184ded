"""Kept pictures and their thumbnails, for their owners alone."""

from __future__ import annotations

from sqlalchemy.orm import undefer
from starlette.exceptions import HTTPException
from starlette.responses import Response

from clip_emotion.web.database.owned import owned
from clip_emotion.web.database.tables import Picture
from clip_emotion.web.visits import Own, own_pages

PRIVATE = "private, no-cache"
router = own_pages()


@router.get("/pictures/{key}")
def picture(visit: Own, key: str) -> Response:
    """Send a picture."""
    with visit.site.database.reading() as db:
        found = owned(db, Picture, key, visit.user)
    if not visit.site.pictures.path(found).is_file():
        raise HTTPException(404)
    return visit.site.pictures.send(found)


@router.get("/pictures/{key}/thumbnail")
def picture_thumbnail(visit: Own, key: str) -> Response:
    """Send a picture's thumbnail."""
    with visit.site.database.reading() as db:
        found = owned(db, Picture, key, visit.user, undefer(Picture.thumbnail))
    headers = {"cache-control": PRIVATE, "content-disposition": f'inline; filename="{found.id}.webp"'}
    return Response(found.thumbnail, media_type="image/webp", headers=headers)
