"""Sessions that somebody planted, kept or stole, and the cookies that carry them."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from fastapi import FastAPI

from clip_emotion.web.cookies import LANGUAGE, SESSION, VISITOR, cookie_name
from tests.support.attacks import doors, pages
from tests.support.site import OWN, PASSWORD, Browser, site_of
from tests.support.site_results import user_of
from tests.web.security.conftest import SECRET, VICTIM

COOKIE = "__Host-session"
NEW = "quite another sentence"


def with_session(app: FastAPI, token: str) -> Browser:
    browser = Browser(app)
    browser.client.cookies.set(COOKIE, token, domain="testserver.local")
    return browser


def is_dead(app: FastAPI, token: str, prey: list[str]) -> bool:
    """Replay a session on every page and door: nothing of it may live."""
    thief = with_session(app, token)
    shown = [answer.text for answer in pages(thief, prey[:3]).values()]
    form = thief.token()
    done = [thief.client.request(door.method, door.filled(prey[:1])[0], data={"csrf": form}, headers=OWN)
            for door in doors(app, unsafe=True) if door.path.startswith("/account")]  # fmt: skip
    away = all(answer.headers.get("location", "").startswith("/login") for answer in done)
    return away and not any(SECRET in text or VICTIM in text for text in shown)


def test_a_replayed_session_is_dead_after_log_out(app: FastAPI, victim: Browser, prey: list[str]) -> None:
    person = Browser(app)
    person.log_in(VICTIM)
    token = person.client.cookies[COOKIE]
    assert not is_dead(app, token, prey)
    person.post("/logout")
    assert is_dead(app, token, prey)


@pytest.mark.parametrize("deed", ["everywhere", "password", "again", "log-in"])
def test_a_stolen_session_ends_with(app: FastAPI, prey: list[str], deed: str) -> None:
    email = f"{deed}@example.org"
    person = Browser(app).sign_up(email)
    stolen = person.client.cookies[COOKIE]
    deeds: dict[str, Callable[[], object]] = {
        "everywhere": lambda: (Browser(app).log_in(email), person.post("/logout-everywhere")),
        "password": lambda: person.post("/account/password", {"old": PASSWORD, "new": NEW}),
        "again": lambda: person.post("/again", {"password": PASSWORD}),
        "log-in": lambda: (person.client.cookies.set(COOKIE, stolen, domain="testserver.local"), person.log_in(email)),
    }
    other = Browser(app)
    other.log_in(email)
    deeds[deed]()
    assert site_of(app).sessions.find(stolen) is None
    ended = other.get("/account").status_code == 303
    assert ended == (deed in ("everywhere", "password")), "other sessions end with the account's, not with this one's"
    assert with_session(app, stolen).get("/account").status_code == 303


@pytest.mark.parametrize("planted", ["planted", "", "x" * 4000, "' OR 1=1 --", "a=b"])
def test_a_planted_session_is_worth_nothing(app: FastAPI, victim: Browser, planted: str) -> None:
    person = Browser(app)
    person.client.cookies.set(COOKIE, planted, domain="testserver.local")
    assert person.log_in(VICTIM).status_code == 303
    assert person.client.cookies[COOKIE] != planted
    assert with_session(app, planted).get("/account").status_code == 303


def test_a_planted_visitor_is_none_after_the_log_in(app: FastAPI, victim: Browser) -> None:
    """Who plants the cookie of a visitor knows the token of the forms before the log-in, and none of those after."""
    attacker = Browser(app)
    known = attacker.token()
    person = Browser(app)
    person.client.cookies.set("__Host-visitor", attacker.client.cookies["__Host-visitor"], domain="testserver.local")
    person.log_in(VICTIM)
    assert person.token() != known


def test_every_cookie_is_bound_and_hidden(app: FastAPI, victim: Browser) -> None:
    site, person = site_of(app), Browser(app)
    answers = [person.get("/"), person.post("/language", {"language": "ko"}), person.log_in(VICTIM)]
    answers += [person.post("/logout")]
    lines = [line for answer in answers for line in answer.headers.get_list("set-cookie")]
    assert {line.split("=")[0] for line in lines} == {
        cookie_name(site.settings, one) for one in (SESSION, VISITOR, LANGUAGE)
    }
    for line in lines:
        parts = set(line.split("; ")[1:])
        assert line.startswith("__Host-")
        assert {"HttpOnly", "Secure", "Path=/", "SameSite=lax"} <= parts, line
        assert not any(part.startswith("Domain") for part in parts)


def test_ids_are_long_and_never_the_same(app: FastAPI, victim: Browser) -> None:
    tokens = set()
    for _ in range(20):
        person = Browser(app)
        person.log_in(VICTIM)
        tokens.add(person.client.cookies[COOKIE])
    assert len(tokens) == 20
    assert {len(token) for token in tokens} == {43}
    assert user_of(site_of(victim.app), VICTIM).id not in "".join(tokens)
