"""Passwords guessed, accounts looked for, addresses made up."""

from __future__ import annotations

import statistics
import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from fastapi import FastAPI
from pwdlib.hashers.argon2 import Argon2Hasher

from clip_emotion.web.security.passwords import Passwords
from clip_emotion.web.security.rates import network_of
from clip_emotion.web.settings import RATES
from tests.support.site import OWN, PASSWORD, Browser, make_site, site_of

EMAIL = "somebody@example.org"


def guess(browser: Browser, token: str, email: str, password: str = "a wrong password", **headers: str) -> int:
    form = {"csrf": token, "email": email, "password": password}
    return int(browser.client.post("/login", data=form, headers={**OWN, **headers}).status_code)


@pytest.mark.real_data  # 1,100 requests
def test_a_thousand_wrong_passwords(tmp_path: Path) -> None:
    """600 for one account from a hundred addresses, 400 for as many accounts from one: the shipped limits hold."""
    app = make_site(tmp_path)
    Browser(app).sign_up(EMAIL)
    one, many = Counter[int](), Counter[int]()
    for number in range(100):
        browser = Browser(app, address=f"198.51.100.{number}")
        token = browser.token()
        one.update(guess(browser, token, EMAIL) for _ in range(6))
    browser = Browser(app, address="203.0.113.9")
    token = browser.token()
    many.update(guess(browser, token, f"{number}@example.org") for number in range(400))
    assert RATES["login-everywhere"] == "100/hour"
    assert RATES["login-address"] == "60/15minutes"
    assert one == {401: 99, 429: 501}, "the right password counted as one"
    assert many == {401: 60, 429: 340}


def test_one_account_is_guarded_against_many_addresses(tmp_path: Path) -> None:
    app = make_site(tmp_path, rates={**RATES, "login-everywhere": "7/hour"})
    Browser(app).sign_up(EMAIL)
    found = Counter[int]()
    for number in range(6):
        browser = Browser(app, address=f"198.51.100.{number}")
        token = browser.token()
        found.update(guess(browser, token, EMAIL) for _ in range(2))
    assert found == {401: 6, 429: 6}, "the right password counted as one"


def test_who_guesses_locks_nobody_out(tmp_path: Path) -> None:
    app = make_site(tmp_path)
    Browser(app).sign_up(EMAIL)
    attacker = Browser(app, address="198.51.100.1")
    token = attacker.token()
    assert Counter(guess(attacker, token, EMAIL) for _ in range(14)) == {401: 10, 429: 4}
    assert guess(attacker, token, EMAIL, PASSWORD) == 429, "not even the right one, once the limit is reached"
    assert Browser(app, address="203.0.113.1").log_in(EMAIL).status_code == 303


def test_made_up_addresses_are_not_believed(tmp_path: Path) -> None:
    rates = {**RATES, "login-address": "5/hour"}
    app = make_site(tmp_path / "plain", rates=rates)
    browser = Browser(app, address="198.51.100.1")
    token = browser.token()
    found = [guess(browser, token, f"{one}@a.org", **{"x-forwarded-for": f"203.0.113.{one}"}) for one in range(8)]
    assert found == [401] * 5 + [429] * 3
    app = make_site(tmp_path / "behind", rates=rates, proxies=("198.51.100.1",))
    proxy, other = Browser(app, address="198.51.100.1"), Browser(app, address="198.51.100.2")
    token = proxy.token()
    through = [guess(proxy, token, f"{one}@a.org", **{"x-forwarded-for": f"203.0.113.{one}"}) for one in range(8)]
    assert through == [401] * 8, "the proxy names a different client each time"
    chain = [
        guess(proxy, token, f"{one}@b.org", **{"x-forwarded-for": f"10.0.0.{one}, 203.0.113.77"}) for one in range(8)
    ]
    assert chain == [401] * 5 + [429] * 3, "what a client wrote before the proxy's own entry counts for nothing"
    token = other.token()
    direct = [guess(other, token, f"{one}@a.org", **{"x-forwarded-for": f"203.0.113.{100 + one}"}) for one in range(8)]
    assert direct == [401] * 5 + [429] * 3, "who comes past the proxy is believed nothing"


@pytest.mark.parametrize(
    ("address", "network"),
    [
        ("203.0.113.9", "203.0.113.9"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("2001:db8:1:2:ffff::1", "2001:db8:1:2::/64"),
        ("::ffff:203.0.113.9", "203.0.113.9"),
        ("testclient", "testclient"),
    ],
)
def test_one_customer_of_a_provider_is_one_address(address: str, network: str) -> None:
    """Whoever has IPv6 has 2^64 addresses."""
    assert network_of(address) == network


def test_a_flood_of_log_ins_does_not_pile_up(tmp_path: Path) -> None:
    """From ever so many addresses: a few wait for their hash, more are sent away, pages are shown meanwhile."""
    app = make_site(tmp_path)
    held, hashing = threading.Event(), Passwords(Argon2Hasher(1, 8, 1), at_once=1, waiting=2)
    verify = hashing._hash.verify
    hashing._hash.verify = lambda password, kept: held.wait(20) and verify(password, kept)  # type: ignore[method-assign]
    object.__setattr__(site_of(app), "passwords", hashing)
    visitors = [Browser(app, address=f"198.51.100.{number}") for number in range(5)]
    tokens = [visitor.token() for visitor in visitors]
    with ThreadPoolExecutor(5) as pool:
        waiting = [pool.submit(guess, *one, EMAIL) for one in zip(visitors[:3], tokens[:3], strict=True)]
        while hashing._room.acquire(blocking=False):
            hashing._room.release()
            time.sleep(0.01)
        assert guess(visitors[3], tokens[3], EMAIL) == 503
        assert visitors[4].get("/").status_code == 200
        held.set()
        assert [one.result() for one in waiting] == [401] * 3


def test_sign_up_is_limited_by_address(tmp_path: Path) -> None:
    browser = Browser(make_site(tmp_path), address="198.51.100.1")
    token = browser.token()
    forms = [{"csrf": token, "email": f"{one}@a.org", "password": PASSWORD} for one in range(25)]
    statuses = [browser.client.post("/register", data=form, headers=OWN) for form in forms]
    assert Counter(one.status_code for one in statuses) == {303: 20, 429: 5}


def test_time_does_not_tell_who_has_an_account(tmp_path: Path) -> None:
    """With a hash that takes its time, the medians of known and unknown accounts lie within each other's spread."""
    app = make_site(tmp_path, rates=dict.fromkeys(RATES, "10000/minute"))
    hasher = Argon2Hasher(time_cost=1, memory_cost=8192, parallelism=1)
    object.__setattr__(site_of(app), "passwords", Passwords(hasher))
    browser = Browser(app).sign_up(EMAIL)
    browser.post("/logout")
    token = browser.token()
    taken: dict[str, list[float]] = {"known": [], "unknown": [], "again": [], "new": []}
    for number in range(12):
        for kind, email in (("known", EMAIL), ("unknown", f"{number}@example.org")):
            begun = time.perf_counter()
            assert guess(browser, token, email) == 401
            taken[kind].append(time.perf_counter() - begun)
        for kind, email in (("again", EMAIL), ("new", f"new{number}@example.org")):
            begun = time.perf_counter()
            form = {"csrf": token, "email": email, "password": PASSWORD}
            assert browser.client.post("/register", data=form, headers=OWN).headers["location"].startswith("/login")
            taken[kind].append(time.perf_counter() - begun)
    middle = {kind: statistics.median(times) for kind, times in taken.items()}
    for known, unknown in (("known", "unknown"), ("again", "new")):
        assert middle[known] < 2 * middle[unknown], middle
        assert middle[unknown] < 2 * middle[known], middle


def test_a_locked_account_answers_as_one_that_is_not_there(app: FastAPI) -> None:
    from clip_emotion.web.database.tables import User
    from tests.support.site_results import user_of

    person = Browser(app).sign_up("locked@example.org")
    with site_of(app).database.writing() as db:
        db.get_one(User, user_of(site_of(person.app), "locked@example.org").id).locked = True
    locked, unknown = person.log_in("locked@example.org"), person.log_in("unlocked@example.org")
    assert (locked.status_code, unknown.status_code) == (401, 401)
    assert locked.text.replace("locked@", "unlocked@") == unknown.text
