"""Coming in and going out: what a session is, when it ends, and what nobody learns from the answers."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest
from fastapi import FastAPI
from sqlalchemy import select, update

from clip_emotion.web.database.tables import FailedLogin, LoginSession, User, now
from clip_emotion.web.security.passwords import COMMON, PERSONAL, SHORT, Passwords, fault_of
from clip_emotion.web.settings import RATES
from tests.support.site import OWN, PASSWORD, Browser, make_site, site_of

COOKIE = "__Host-session"


def test_cookies_are_bound_to_the_host_and_hidden_from_scripts(app: FastAPI, visitor: Browser) -> None:
    visitor.post("/register", {"email": "cookies@example.org", "password": PASSWORD})
    answer = visitor.log_in("cookies@example.org")
    (cookie,) = (one for one in answer.headers.get_list("set-cookie") if one.startswith(f"{COOKIE}="))
    assert {"HttpOnly", "Secure", "Path=/", "SameSite=lax"} <= set(cookie.split("; "))
    assert "Domain" not in cookie


def test_the_database_holds_no_session_id_and_no_password(app: FastAPI, person: Browser) -> None:
    token = person.client.cookies[COOKIE]
    with site_of(app).database.reading() as db:
        assert token not in set(db.scalars(select(LoginSession.id)))
        assert all(kept.startswith("$argon2id$") for kept in db.scalars(select(User.password)))


def test_log_out_ends_the_session_itself(person: Browser) -> None:
    token = person.client.cookies[COOKIE]
    assert person.get("/account").status_code == 200
    assert person.post("/logout").status_code == 303
    person.client.cookies.set(COOKIE, token, domain="testserver.local")
    answer = person.get("/account")
    assert (answer.status_code, answer.headers["location"]) == (303, "/login?next=/account")


def test_log_in_and_password_once_more_give_a_new_id(app: FastAPI, visitor: Browser) -> None:
    """A session that somebody planted before the log-in is worth nothing after it."""
    visitor.client.cookies.set(COOKIE, "planted", domain="testserver.local")
    visitor.sign_up("rotated@example.org")
    first = visitor.client.cookies[COOKIE]
    assert first != "planted"
    assert visitor.post("/again", {"password": PASSWORD, "next": "/account"}).headers["location"] == "/account"
    assert visitor.client.cookies[COOKIE] != first
    assert site_of(app).sessions.find(first) is None


def test_sessions_end_when_idle_and_when_old(app: FastAPI, person: Browser) -> None:
    site, token = site_of(app), person.client.cookies[COOKIE]
    found = site.sessions.find(token)
    assert found is not None
    for change in ({"seen": now() - site.settings.session_idle}, {"seen": now(), "expires": now() - timedelta(1)}):
        with site.database.writing() as db:
            db.execute(update(LoginSession).where(LoginSession.id == found.session.id).values(change))
        assert person.get("/account").status_code == 303
        with site.database.writing() as db:
            db.add(LoginSession(id=found.session.id, owner_id=found.user.id, expires=found.session.expires))


def test_log_out_everywhere_and_a_new_password_end_other_sessions(app: FastAPI, person: Browser) -> None:
    site = site_of(app)
    with site.database.reading() as db:
        email = db.scalars(select(User.email).order_by(User.created.desc())).first()
    other = Browser(app)
    assert other.log_in(str(email)).status_code == 303
    new = {"old": PASSWORD, "new": "quite another sentence"}
    assert person.post("/account/password", new).headers["location"] == "/account?said=account.password_changed"
    assert other.get("/account").status_code == 303
    assert person.get("/account").status_code == 200
    assert other.log_in(str(email), new["new"]).status_code == 303
    person.post("/logout-everywhere")
    assert other.get("/account").status_code == 303


def test_a_new_password_asks_for_the_old_one(person: Browser) -> None:
    answer = person.post("/account/password", {"old": "not the right one", "new": "quite another sentence"})
    assert answer.status_code == 422
    assert "The password is not the right one." in answer.text


def test_answers_do_not_tell_who_has_an_account(app: FastAPI, visitor: Browser) -> None:
    form = {"email": "known@example.org", "password": PASSWORD}
    first, second = visitor.post("/register", form), visitor.post("/register", form)
    assert (first.status_code, first.headers["location"]) == (second.status_code, second.headers["location"])
    wrong, unknown = visitor.log_in("known@example.org", "wrong one"), visitor.log_in("nobody@example.org", "wrong one")
    assert (wrong.status_code, unknown.status_code) == (401, 401)
    assert wrong.text.replace("known@", "nobody@") == unknown.text
    with site_of(app).database.reading() as db:
        assert len({row.user_id is None for row in db.scalars(select(FailedLogin))}) == 2


def test_a_user_that_is_not_there_costs_a_hash_too(monkeypatch: pytest.MonkeyPatch) -> None:
    passwords = Passwords()
    verified: list[str] = []
    monkeypatch.setattr(passwords._hash, "verify", lambda password, kept: verified.append(kept) or True)
    assert passwords.fits("whatever it is", None) is False
    assert len(verified) == 1


def test_wrong_passwords_are_soon_refused(tmp_path: Path) -> None:
    browser = Browser(make_site(tmp_path, rates={**RATES, "login-account": "3/hour"}))
    tries = [browser.log_in("someone@example.org", f"wrong password {number}") for number in range(5)]
    assert [answer.status_code for answer in tries] == [401, 401, 401, 429, 429]
    assert 0 < int(tries[-1].headers["retry-after"]) <= 3600


@pytest.mark.parametrize(
    ("password", "fault"),
    [
        ("short", SHORT),
        ("passwordpassword", COMMON),
        ("password1234!", COMMON),
        ("aaaaaaaaaaaaaaa", COMMON),
        ("123456789012", COMMON),
        ("minsoo.kim12345", PERSONAL),
        ("오늘은 날씨가 참 좋다", None),
        ("a sentence of mine", None),
    ],
)
def test_passwords_are_long_and_uncommon(password: str, fault: str | None) -> None:
    assert fault_of(password, "minsoo.kim@example.org") == fault


def test_a_locked_user_is_out_at_once(app: FastAPI, person: Browser) -> None:
    site = site_of(app)
    found = site.sessions.find(person.client.cookies[COOKIE])
    assert found is not None
    with site.database.writing() as db:
        db.get_one(User, found.user.id).locked = True
    assert person.get("/account").status_code == 303
    assert person.log_in(found.user.email).status_code == 401


@pytest.mark.parametrize("path", ["//evil.example", "https://evil.example", "/\\evil.example", "javascript:alert(1)"])
def test_log_in_leads_nowhere_else(app: FastAPI, person: Browser, path: str) -> None:
    assert person.get("/login", params={"next": path}).headers["location"] == "/"


def test_forms_of_other_sites_are_refused(person: Browser) -> None:
    token = person.token()
    send = person.client.post
    good = {"csrf": token}
    for headers in (
        {},
        {"sec-fetch-site": "cross-site"},
        {"sec-fetch-site": "same-site"},
        {"origin": "https://evil.org"},
    ):
        assert send("/logout-everywhere", data=good, headers=headers).status_code == 403
    for form in ({}, {"csrf": "0" * 64}, {"csrf": ""}):
        assert send("/logout-everywhere", data=form, headers=OWN).status_code == 403
    assert person.get("/account").status_code == 200
    assert (
        send("/logout-everywhere", headers={"origin": "https://testserver", "x-csrf-token": token}).status_code == 303
    )


def test_a_token_is_of_one_session(app: FastAPI, person: Browser, visitor: Browser) -> None:
    answer = visitor.client.post("/logout", data={"csrf": person.token()}, headers=OWN)
    assert answer.status_code == 403
