"""Coming in and going out: register, log in, the password once more, log out here or everywhere."""

from __future__ import annotations

from sqlalchemy import select
from sqlalchemy.exc import IntegrityError
from starlette.exceptions import HTTPException
from starlette.responses import Response

from clip_emotion.web.database.tables import User
from clip_emotion.web.emails import folded, is_email
from clip_emotion.web.security.passwords import fault_of
from clip_emotion.web.security.sessions import end_sessions
from clip_emotion.web.security.trail import record, record_failure
from clip_emotion.web.site import Site
from clip_emotion.web.visits import Anyone, Own, Posted, local_path, open_pages, own_pages

router = open_pages()
own = own_pages()


def add_user(site: Site, email: str, password: str, **values: str | None) -> bool:
    """Make an account unless its address has one; tell whether it was made. Takes as long either way."""
    hashed = site.passwords.hash(password)
    try:
        with site.database.writing() as db:
            user = User(email=folded(email), password=hashed, **values)
            db.add(user)
            db.flush()
            record(db, "user.made", user.id)
    except IntegrityError:
        return False
    return True


@router.get("/register")
def register_form(visit: Anyone) -> Response:
    """Ask for address and password."""
    if not visit.site.settings.registration:
        raise HTTPException(404)
    return visit.redirect("/label") if visit.account else visit.page("register.html.j2", email="")


@router.post("/register")
def register(visit: Anyone, form: Posted) -> Response:
    """Make an account. Whether the address had one already, the answer is the same."""
    if not visit.site.settings.registration:
        raise HTTPException(404)
    email, password = folded(form.text("email", 300)), form.password("password")
    visit.site.rates.count("register-address", visit.address)
    fault = None if is_email(email) else "account.email_wrong"
    fault = fault or fault_of(password, email)
    if fault:
        return visit.page("register.html.j2", 422, fault=fault, email=email)
    add_user(visit.site, email, password, language=visit.language)
    return visit.redirect("/login", "account.registered")


@router.get("/login")
def login_form(visit: Anyone, next: str = "") -> Response:
    """Ask who it is."""
    back = local_path(next) if next else "/label"
    return visit.redirect(back) if visit.account else visit.page("login.html.j2", email="", next=back)


@router.post("/login")
def login(visit: Anyone, form: Posted) -> Response:
    """Begin a session. Whether the user exists, the answer is the same and takes as long."""
    site, email = visit.site, folded(form.text("email", 300))
    back = local_path(form.text("next") or "/label")
    site.rates.count("login-address", visit.address)
    site.rates.count("login-account", f"{email} {visit.address}")
    site.rates.count("login-everywhere", email)
    with site.database.reading() as db:
        user = db.scalars(select(User).where(User.email == email)).one_or_none()
    fits = site.passwords.fits(form.password("password"), user.password if user else None)
    if user is None or not fits or user.locked:
        with site.database.writing() as db:
            record_failure(db, user.id if user else None, visit.address)
        return visit.page("login.html.j2", 401, fault="account.login_wrong", email=email, next=back)
    site.rates.forget("login-account", f"{email} {visit.address}")
    visit.log_in(user, "login")
    return visit.redirect(back)


@router.post("/logout")
def logout(visit: Anyone) -> Response:
    """End the session, in the database and in the browser."""
    visit.log_out()
    response = visit.redirect("/", "account.logged_out")
    response.headers["clear-site-data"] = '"cache", "storage"'
    return response


@own.post("/logout-everywhere")
def logout_everywhere(visit: Own) -> Response:
    """End every session of the account."""
    with visit.site.database.writing() as db:
        end_sessions(db, visit.user.id)
        record(db, "logout.everywhere", visit.user.id)
    visit.log_out()
    return visit.redirect("/", "account.logged_out_everywhere")


@own.get("/again")
def again_form(visit: Own, next: str = "") -> Response:
    """Ask for the password once more, for pages that matter."""
    return visit.page("again.html.j2", next=local_path(next) if next else "/account")


@own.post("/again")
def again(visit: Own, form: Posted) -> Response:
    """Begin a new session after the password was given once more."""
    back = local_path(form.text("next") or "/account")
    if not visit.password_fits(form.password("password")):
        return visit.page("again.html.j2", 401, fault="account.password_wrong", next=back)
    visit.log_in(visit.user, "login.again")
    return visit.redirect(back)
