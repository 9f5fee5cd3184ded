"""Personal access tokens of one's own account: made, shown once, revoked."""

from __future__ import annotations

from datetime import timedelta

from sqlalchemy import select
from starlette.responses import Response

from clip_emotion.web.database.owned import owned
from clip_emotion.web.database.tables import AccessToken, now
from clip_emotion.web.security import tokens
from clip_emotion.web.security.trail import record
from clip_emotion.web.visits import Own, Posted, Visit, own_pages

DAYS = ("90", "7", "30", "365", "0")
"""For how many days a token may be valid, the usual first; 0 for no end."""
LONGEST_NAME = 80
router = own_pages()


@router.get("/account/tokens")
def token_list(visit: Own) -> Response:
    """Show the account's tokens, and a form for a new one."""
    return _page(visit)


@router.post("/account/tokens")
def make_token(visit: Own, form: Posted) -> Response:
    """Make a token after the password was given, and show it in the answer itself, once."""
    name = form.text("name", LONGEST_NAME).strip()
    scopes = [scope for scope in _scopes(visit) if scope in form.texts("scope")]
    if not name or not scopes:
        return _page(visit, 422, fault="tokens.incomplete", name=name, chosen=scopes)
    if not visit.password_fits(form.password("password")):
        return _page(visit, 422, fault="account.password_wrong", name=name, chosen=scopes)
    days = int(form.choice("days", DAYS))
    with visit.site.database.writing() as db:
        full = tokens.count_valid(db, visit.user.id) >= tokens.MOST
        if not full:
            made = tokens.mint(db, visit.user.id, name, scopes, timedelta(days=days) if days else None)
            record(db, "token.made", visit.user.id)
    if full:
        return _page(visit, 422, fault=visit.t("tokens.too_many", most=tokens.MOST))
    return _page(visit, made=made)


@router.post("/account/tokens/{key}/revoke")
def revoke(visit: Own, key: str) -> Response:
    """Revoke a token: it opens nothing from now on."""
    with visit.site.database.writing() as db:
        token = owned(db, AccessToken, key, visit.user)
        token.revoked = token.revoked or now()
        record(db, "token.revoked", visit.user.id, token.id)
    return visit.redirect("/account/tokens", "tokens.revoked_said")


def _scopes(visit: Visit) -> tuple[str, ...]:
    return tokens.SCOPES + (tokens.ADMIN_SCOPES if visit.user.is_admin else ())


def _page(visit: Visit, status: int = 200, **values: object) -> Response:
    moment = now()
    with visit.site.database.reading() as db:
        query = select(AccessToken).where(AccessToken.owner_id == visit.user.id)
        found = list(db.scalars(query.order_by(AccessToken.created.desc(), AccessToken.id)))
    rows = sorted(((token, tokens.is_valid(token, moment)) for token in found), key=lambda row: not row[1])
    usual = {"made": None, "name": "", "chosen": [], "rows": rows, "scopes": _scopes(visit), "days": DAYS}
    return visit.page("tokens.html.j2", status, **{**usual, **values})
