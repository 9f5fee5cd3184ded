"""The admin's pages: nobody else comes in, the password is asked again, deeds work at once, one admin is left."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest
from fastapi import FastAPI
from sqlalchemy import select, update

from clip_emotion.web.database.tables import ADMIN, AccessToken, AuditEvent, LoginSession, User, now
from tests.support.api import Caller, add_account, token_of
from tests.support.site import OWN, PASSWORD, Browser, site_of
from tests.support.site_results import user_of

PAGES = ("/admin", "/admin/users", "/admin/failures", "/admin/trail")


@pytest.fixture(scope="module")
def admin(app: FastAPI) -> Browser:
    """Somebody who is the only admin when a test begins."""
    return Browser(app).sign_up("admin@example.org")


@pytest.fixture(autouse=True)
def alone(app: FastAPI, admin: Browser) -> None:
    with site_of(app).database.writing() as db:
        db.execute(update(User).values(role="user"))
        db.execute(update(User).where(User.email == "admin@example.org").values(role=ADMIN, locked=False))
    if admin.get("/account").status_code != 200:
        admin.log_in("admin@example.org")


def do(admin: Browser, user: User, deed: str) -> str:
    return str(admin.post(f"/admin/users/{user.id}", {"do": deed}).headers["location"])


def test_nobody_else_learns_that_they_are_there(person: Browser, visitor: Browser, admin: Browser) -> None:
    for path in PAGES:
        assert visitor.get(path).headers["location"] == f"/login?next={path}"
        assert person.get(path).status_code == 404
        page = admin.get(path)
        assert page.status_code == 200
        assert not re.search(r"<style|<script(?![^>]* src=)| style=| on[a-z]+=", page.text)
    assert "/admin" not in person.get("/account").text
    assert 'href="/admin"' in admin.get("/account").text


def test_deeds_are_an_admins_with_a_token_and_a_fresh_password(app: FastAPI, admin: Browser, person: Browser) -> None:
    user = add_account(app, "target@example.org")
    path, form = f"/admin/users/{user.id}", {"do": "lock"}
    assert person.post(path, form).status_code == 404
    assert admin.client.post(path, data=form, headers=OWN).status_code == 403
    assert admin.get(path).status_code in (404, 405)
    site = site_of(app)
    with site.database.writing() as db:
        old = now() - site.settings.reauthentication - timedelta(seconds=1)
        db.execute(update(LoginSession).values(authenticated=old))
    assert admin.get("/admin/users").headers["location"] == "/again?next=/admin/users"
    assert admin.post(path, form).headers["location"] == "/again"
    assert not user_of(site_of(app), user.email).locked
    assert admin.post("/again", {"password": PASSWORD, "next": "/admin/users"}).headers["location"] == "/admin/users"
    assert do(admin, user, "lock").startswith("/admin/users?find=target%40example.org&said=manage.did_lock")
    assert user_of(site_of(app), user.email).locked


def test_a_locked_account_is_out_with_sessions_and_tokens(app: FastAPI, admin: Browser) -> None:
    other = Browser(app).sign_up("locked@example.org")
    user = user_of(site_of(app), "locked@example.org")
    program = Caller(app, "program@example.org")
    do(admin, user, "lock")
    do(admin, program.user, "lock")
    assert other.get("/account").status_code == 303
    assert other.log_in("locked@example.org").status_code == 401
    assert program.get("/models").status_code == 401
    do(admin, user, "unlock")
    do(admin, program.user, "unlock")
    assert other.log_in("locked@example.org").status_code == 303
    assert program.get("/models").status_code == 200
    do(admin, user, "end")
    assert other.get("/account").status_code == 303
    do(admin, program.user, "revoke")
    assert program.get("/models").status_code == 401


def test_an_admin_is_made_and_unmade_and_logs_in_anew(app: FastAPI, admin: Browser) -> None:
    other = Browser(app).sign_up("second@example.org")
    user = user_of(site_of(app), "second@example.org")
    metrics = token_of(app, user, "metrics")
    do(admin, user, "promote")
    assert other.get("/account").status_code == 303
    other.log_in("second@example.org")
    assert other.get("/admin").status_code == 200
    assert other.get("/metrics", headers={"authorization": f"Bearer {metrics}"}).status_code == 200
    do(admin, user, "demote")
    other.log_in("second@example.org")
    assert other.get("/admin").status_code == 404
    assert other.get("/metrics", headers={"authorization": f"Bearer {metrics}"}).status_code == 401
    with site_of(app).database.reading() as db:
        deeds = db.scalars(select(AuditEvent.deed).where(AuditEvent.subject == user.id).order_by(AuditEvent.time))
    assert [deed for deed in deeds if deed.startswith("user.")][-2:] == ["user.promote", "user.demote"]


def test_one_admin_is_left(app: FastAPI, admin: Browser) -> None:
    mine = user_of(site_of(app), "admin@example.org")
    for deed in ("lock", "demote"):
        assert "said=manage.last_admin" in do(admin, mine, deed)
    locked = add_account(app, "locked-admin@example.org", admin=True)
    with site_of(app).database.writing() as db:
        db.execute(update(User).where(User.id == locked.id).values(locked=True))
    assert "said=manage.last_admin" in do(admin, mine, "demote")
    assert user_of(site_of(app), "admin@example.org").is_admin
    add_account(app, "able-admin@example.org", admin=True)
    assert do(admin, mine, "demote") == "/login"
    assert not user_of(site_of(app), "admin@example.org").is_admin


def test_strange_deeds_and_keys_are_refused(app: FastAPI, admin: Browser) -> None:
    user = add_account(app, "strange@example.org")
    assert admin.post(f"/admin/users/{user.id}", {"do": "delete"}).status_code == 400
    assert admin.post("/admin/users/nobody", {"do": "lock"}).status_code == 404
    for query in ("find=%25", "find=%27%3B--", "after=zz", "find=<b>"):
        assert admin.get(f"/admin/users?{query}").status_code == 200


def test_accounts_failures_and_deeds_are_listed_page_by_page(app: FastAPI, admin: Browser, visitor: Browser) -> None:
    for number in range(55):
        add_account(app, f"zz{number:02}@example.net")
    page = admin.get("/admin/users?find=EXAMPLE.net").text
    assert page.count("@example.net</bdi>") == 50
    (following,) = re.findall(r'href="/admin/users\?(after=[^"]+)"', page)
    rest = admin.get(f"/admin/users?{following.replace('&amp;', '&')}").text
    assert rest.count("@example.net</bdi>") == 5
    assert "zz54@example.net" in rest
    visitor.log_in("nobody@example.org", "no such password")
    visitor.log_in("admin@example.org", "not this password")
    failures = admin.get("/admin/failures").text
    assert "no such account" in failures
    assert "nobody@example.org" not in failures
    trail = admin.get("/admin/trail").text
    (before,) = re.findall(r'href="/admin/trail\?(before=[^"]+)"', trail) or ["before=x"]
    assert admin.get(f"/admin/trail?{before}").status_code == 200


def test_tokens_are_shown_once_and_revoked(app: FastAPI, person: Browser, admin: Browser) -> None:
    form = {"name": "내 스크립트 <b>", "scope": ["label", "history", "metrics"], "days": "7", "password": PASSWORD}
    made = person.post("/account/tokens", form)
    (token,) = re.findall(r'value="(ce_[^"]+)"', made.text)
    assert "내 스크립트 &lt;b&gt;" in made.text
    assert token not in person.get("/account/tokens").text
    headers = {"authorization": f"Bearer {token}"}
    assert person.get("/api/v1/history", headers=headers).status_code == 200
    assert person.get("/api/v1/export", headers=headers).status_code == 403
    with site_of(app).database.reading() as db:
        row = db.scalars(select(AccessToken).order_by(AccessToken.created.desc())).first()
    assert row is not None
    assert row.scopes == "label history"  # nobody but an admin asks for metrics
    assert timedelta(days=6) < row.expires - now() <= timedelta(days=7)  # type: ignore[operator]
    assert admin.post(f"/account/tokens/{row.id}/revoke").status_code == 404
    assert person.post(f"/account/tokens/{row.id}/revoke").status_code == 303
    assert person.get("/api/v1/history", headers=headers).status_code == 401


def test_tokens_end_and_need_password_name_and_scope(app: FastAPI, person: Browser) -> None:
    good = {"name": "x", "scope": "label", "password": PASSWORD, "days": "7"}
    for wrong in ({"password": "not the right one"}, {"name": " "}, {"scope": "everything"}):
        answer = person.post("/account/tokens", {**good, **wrong})
        assert answer.status_code == 422
        assert "ce_" not in answer.text
    (token,) = re.findall(r'value="(ce_[^"]+)"', person.post("/account/tokens", good).text)
    headers = {"authorization": f"Bearer {token}"}
    assert person.get("/api/v1/models", headers=headers).status_code == 200
    with site_of(app).database.writing() as db:
        db.execute(update(AccessToken).values(expires=now()))
    assert person.get("/api/v1/models", headers=headers).status_code == 401
