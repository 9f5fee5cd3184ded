"""One's own account: its password, its data as a .zip, and its end."""

from __future__ import annotations

from sqlalchemy import delete, select
from starlette.responses import Response

from clip_emotion.web.database.tables import Picture, User
from clip_emotion.web.downloads import ZIP, draft, send
from clip_emotion.web.security.passwords import fault_of
from clip_emotion.web.security.sessions import end_sessions
from clip_emotion.web.security.trail import record
from clip_emotion.web.takeout import write_takeout
from clip_emotion.web.visits import Own, Posted, own_pages

router = own_pages()


@router.get("/account")
def account(visit: Own) -> Response:
    """Show what can be done with the account."""
    return visit.page("account.html.j2")


@router.post("/account/password")
def change_password(visit: Own, form: Posted) -> Response:
    """Change the password: the old one is asked, every other session ends, this one gets a new id."""
    new = form.password("new")
    fault = None if visit.password_fits(form.password("old")) else "account.password_wrong"
    fault = fault or fault_of(new, visit.user.email)
    if fault:
        return visit.page("account.html.j2", 422, fault=fault)
    hashed = visit.site.passwords.hash(new)
    with visit.site.database.writing() as db:
        kept = db.get_one(User, visit.user.id)
        kept.password = hashed
        end_sessions(db, kept.id)
        record(db, "password.changed", kept.id)
    visit.log_in(visit.user, "login.again")
    return visit.redirect("/account", "account.password_changed")


@router.post("/account/data")
def download(visit: Own) -> Response:
    """Send everything that the site keeps of the account as a .zip."""
    visit.site.rates.count("export-account", visit.user.id)
    with draft(visit.site.settings.temporary, ".zip") as path:
        write_takeout(visit.site, visit.user, path)
        with visit.site.database.writing() as db:
            record(db, "data.downloaded", visit.user.id)
        return send(path, ZIP, "clip-emotion-data.zip")


@router.post("/account/delete")
def delete_account(visit: Own, form: Posted) -> Response:
    """Delete the account with everything in it, after its password was given."""
    if not visit.password_fits(form.password("password")):
        return visit.page("account.html.j2", 422, fault="account.password_wrong")
    with visit.site.database.writing() as db:
        files = list(db.scalars(select(Picture.file).where(Picture.owner_id == visit.user.id)))
        db.execute(delete(User).where(User.id == visit.user.id))
        record(db, "user.deleted", visit.user.id)
    visit.site.pictures.remove(files)
    visit.log_out()
    return visit.redirect("/", "account.deleted")
