"""What every page needs: style, script, and the switch of languages."""

from __future__ import annotations

from fastapi import APIRouter
from starlette.exceptions import HTTPException
from starlette.responses import Response

from clip_emotion.web import cookies
from clip_emotion.web.database.tables import User
from clip_emotion.web.pages import assets
from clip_emotion.web.visits import Anyone, Posted, local_path, open_pages

FOREVER = "public, max-age=31536000, immutable"
files = APIRouter(include_in_schema=False)
router = open_pages()


@files.get("/static/{name}")
async def static(name: str) -> Response:
    """Send a file that pages load; its address changes with its content."""
    asset = assets().get(name)
    if asset is None:
        raise HTTPException(404)
    return Response(asset.content, media_type=asset.media, headers={"cache-control": FOREVER})


@router.post("/language")
def language(visit: Anyone, form: Posted) -> Response:
    """Choose the language: for this browser, and for the account where there is one."""
    chosen = form.choice("language", visit.site.settings.languages)
    visit.set_cookie(cookies.LANGUAGE, chosen, cookies.YEAR)
    if visit.account is not None:
        with visit.site.database.writing() as db:
            user = db.get(User, visit.account.id)
            if user is not None:
                user.language = chosen
    return visit.redirect(local_path(form.text("next")))
