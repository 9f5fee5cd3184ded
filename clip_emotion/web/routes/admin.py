"""The admin's pages: accounts, what is kept, failed log-ins, the trail; the password is asked once more before them."""

from __future__ import annotations

import shutil
from typing import Any

from sqlalchemy import ColumnElement, and_, func, or_, select
from sqlalchemy.orm import Session, aliased
from starlette.exceptions import HTTPException
from starlette.responses import Response

from clip_emotion.web.database.tables import (
    ADMIN,
    INTERVIEW,
    LABEL,
    SCORE,
    USER,
    AuditEvent,
    FailedLogin,
    LoginSession,
    Picture,
    Result,
    User,
    now,
)
from clip_emotion.web.security.sessions import end_sessions
from clip_emotion.web.security.tokens import revoke_all
from clip_emotion.web.security.trail import record
from clip_emotion.web.site import Site
from clip_emotion.web.visits import Admin, Posted, Visit, admin_pages

PAGE = 50
"""Rows of a page."""
DEEDS = ("lock", "unlock", "promote", "demote", "end", "revoke")
"""What an admin may do to an account."""
router = admin_pages()


@router.get("/admin")
def overview(visit: Admin) -> Response:
    """Show accounts and results in numbers, what they take up, and the model in use."""
    site = visit.site
    with site.database.reading() as db:
        people = {name: _count(db, User, *where) for name, where in _PEOPLE.items()}
        people["sessions"] = _count(db, LoginSession, LoginSession.expires > now())
        counted = db.execute(select(Result.kind, func.count()).group_by(Result.kind))
        results = dict.fromkeys((LABEL, SCORE, INTERVIEW), 0) | {row[0]: row[1] for row in counted}
        unsaved = _count(db, Result, Result.saved.is_(False))
    return visit.page("admin.html.j2", people=people, results=results, unsaved=unsaved, storage=_storage(site))


_PEOPLE: dict[str, tuple[ColumnElement[bool], ...]] = {
    "users": (),
    "admins": (User.role == ADMIN,),
    "locked": (User.locked.is_(True),),
}


@router.get("/admin/users")
def users(visit: Admin, find: str = "", after: str = "") -> Response:
    """List accounts by their address, a page at a time."""
    found = select(User).order_by(User.email).limit(PAGE + 1)
    if find:
        found = found.where(User.email.contains(_plain(find).casefold(), autoescape=True))
    if after:
        found = found.where(User.email > _plain(after))
    with visit.site.database.reading() as db:
        rows = list(db.scalars(found))
        numbers = {user.id: _numbers(db, user) for user in rows[:PAGE]}
    following = rows[PAGE - 1].email if len(rows) > PAGE else None
    return visit.page("admin_users.html.j2", rows=rows[:PAGE], numbers=numbers, find=find, following=following)


@router.post("/admin/users/{key}")
def change(visit: Admin, form: Posted, key: str) -> Response:
    """Lock or unlock an account, make it an admin's or not, end its sessions, revoke its tokens.

    One admin who can come in is always left.
    """
    deed = form.text("do", 20)
    if deed not in DEEDS:
        raise HTTPException(400)
    with visit.site.database.writing() as db:
        # The rows of all admins are held, so that two of them cannot lock each other out at once.
        able = select(User.id).where(User.role == ADMIN, User.locked.is_(False)).with_for_update()
        admins = set(db.scalars(able))
        user = db.get(User, _plain(key))
        if user is None:
            raise HTTPException(404)
        last = deed in ("lock", "demote") and admins == {user.id}
        if not last:
            _do(db, deed, user)
            record(db, f"user.{deed}", visit.user.id, user.id)
    if last:
        return visit.redirect("/admin/users", "manage.last_admin", find=user.email)
    if user.id == visit.user.id and deed in ("lock", "demote", "end"):
        return visit.redirect("/login")
    return visit.redirect("/admin/users", f"manage.did_{deed}", find=user.email)


@router.get("/admin/failures")
def failures(visit: Admin, before: str = "") -> Response:
    """List failed log-ins, the newest first."""
    query = select(FailedLogin, User.email).outerjoin(User, User.id == FailedLogin.user_id)
    rows, following = _newest(visit, query, FailedLogin, before)
    return visit.page("admin_failures.html.j2", rows=rows, following=following)


@router.get("/admin/trail")
def trail(visit: Admin, before: str = "") -> Response:
    """List what was done, by whom and to what, the newest first."""
    actor, subject = aliased(User), aliased(User)
    query = select(AuditEvent, actor.email, subject.email)
    query = query.outerjoin(actor, actor.id == AuditEvent.actor).outerjoin(subject, subject.id == AuditEvent.subject)
    rows, following = _newest(visit, query, AuditEvent, before)
    return visit.page("admin_trail.html.j2", rows=rows, following=following)


def _do(db: Session, deed: str, user: User) -> None:
    if deed in ("lock", "unlock"):
        user.locked = deed == "lock"
    if deed in ("promote", "demote"):
        user.role = ADMIN if deed == "promote" else USER
    if deed == "revoke":
        revoke_all(db, user.id)
    elif deed != "unlock":  # whoever has other rights than before logs in anew
        end_sessions(db, user.id)


def _newest(visit: Visit, query: Any, kind: Any, before: str) -> tuple[list[Any], str | None]:
    """Return a page of rows that have a time, and the key of its last one where more follow."""
    with visit.site.database.reading() as db:
        last = db.get(kind, _plain(before)) if before else None
        if last is not None:
            query = query.where(or_(kind.time < last.time, and_(kind.time == last.time, kind.id < last.id)))
        rows = list(db.execute(query.order_by(kind.time.desc(), kind.id.desc()).limit(PAGE + 1)))
    return rows[:PAGE], rows[PAGE - 1][0].id if len(rows) > PAGE else None


def _numbers(db: Session, user: User) -> dict[str, int]:
    size = select(func.coalesce(func.sum(Picture.size), 0)).where(Picture.owner_id == user.id)
    return {
        "results": _count(db, Result, Result.owner_id == user.id, Result.saved.is_(True)),
        "bytes": db.scalar(size) or 0,
        "sessions": _count(db, LoginSession, LoginSession.owner_id == user.id, LoginSession.expires > now()),
    }


def _storage(site: Site) -> dict[str, int]:
    with site.database.reading() as db:
        pictures = db.execute(select(func.count(), func.coalesce(func.sum(Picture.size), 0)).select_from(Picture)).one()
    files = site.settings.data.glob("site.db*") if site.settings.database is None else ()
    free = shutil.disk_usage(site.settings.data).free
    return {"pictures": pictures[0], "bytes": pictures[1], "database": sum(map(_size, files)), "free": free}


def _size(path: Any) -> int:
    try:
        size: int = path.stat().st_size
    except FileNotFoundError:  # what SQLite keeps beside its file comes and goes
        return 0
    return size


def _count(db: Session, kind: type[Any], *where: ColumnElement[bool]) -> int:
    return db.scalar(select(func.count()).select_from(kind).where(*where)) or 0


def _plain(text: str) -> str:
    """Return a text without what no database takes."""
    return text.replace("\0", "")[:254]
