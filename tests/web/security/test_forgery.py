"""Forged requests: on every route that changes something, each thing that a forger lacks is asked for."""

from __future__ import annotations

import pytest
from fastapi import FastAPI

from tests.support.attacks import belongings, doors
from tests.support.site import OWN, Browser, site_of
from tests.support.site_results import user_of
from tests.web.security.conftest import VICTIM

FOREIGN: dict[str, dict[str, str]] = {
    "no header at all": {},
    "fetched from another site": {"sec-fetch-site": "cross-site"},
    "fetched from a sister of the site": {"sec-fetch-site": "same-site"},
    "typed in": {"sec-fetch-site": "none"},
    "another origin": {"origin": "https://evil.example"},
    "the origin of a page without one": {"origin": "null"},
    "the host as a part of another": {"origin": "https://testserver.evil.example"},
    "plain HTTP": {"origin": "http://testserver"},
    "another port": {"origin": "https://testserver:8443"},
    "one header right and one wrong": {**OWN, "origin": "https://evil.example"},
    "a referer alone": {"referer": "https://testserver/account"},
}


def changing(app: FastAPI, prey: list[str]) -> list[tuple[str, str]]:
    found = [(door.method, path) for door in doors(app, unsafe=True) for path in door.filled(prey[:1])]
    assert len(found) > 10
    return [one for one in found if not one[1].startswith("/api/")]


@pytest.mark.parametrize("headers", FOREIGN.values(), ids=list(FOREIGN))
def test_other_sites_are_refused_everywhere(
    app: FastAPI, victim: Browser, prey: list[str], headers: dict[str, str]
) -> None:
    """The forger is given the right token: the headers alone must do."""
    site, form = site_of(app), {"csrf": victim.token(), "do": "discard"}
    before = belongings(site, user_of(site_of(victim.app), VICTIM).id)
    for method, path in changing(app, prey):
        assert victim.client.request(method, path, data=form, headers=headers).status_code == 403, path
    assert belongings(site, user_of(site_of(victim.app), VICTIM).id) == before


@pytest.mark.parametrize("stolen", ["none", "empty", "made up", "a stranger's", "a visitor's", "an earlier session's"])
def test_the_token_must_be_that_of_the_session(
    app: FastAPI, victim: Browser, stranger: Browser, prey: list[str], stolen: str
) -> None:
    """The forger is given the right headers: the token alone must do."""
    site, earlier = site_of(app), Browser(app)
    old = earlier.token()
    earlier.log_in(VICTIM)
    form = {
        "none": {}, "empty": {"csrf": ""}, "made up": {"csrf": "0" * 64}, "a stranger's": {"csrf": stranger.token()},
        "a visitor's": {"csrf": Browser(app).token()}, "an earlier session's": {"csrf": old},
    }[stolen]  # fmt: skip
    before = belongings(site, user_of(site_of(victim.app), VICTIM).id)
    for method, path in changing(app, prey):
        answer = victim.client.request(method, path, data={**form, "do": "discard"}, headers=OWN)
        assert answer.status_code == 403 or (answer.status_code, path.split("/")[1]) == (404, "admin"), path
    assert belongings(site, user_of(site_of(victim.app), VICTIM).id) == before


def test_the_api_reads_no_cookie(app: FastAPI, victim: Browser, prey: list[str]) -> None:
    """What reads no cookie cannot be forged, and needs no token of a form."""
    for door in [*doors(app, unsafe=True), *doors(app, unsafe=False)]:
        if door.path.startswith("/api/") and "openapi" not in door.path:
            for path in door.filled(prey[:1]):
                answer = victim.client.request(door.method, path, headers=OWN)
                assert answer.status_code in (401, 403), (door, answer.text)
                assert VICTIM not in answer.text


def test_a_token_goes_with_its_session(app: FastAPI, victim: Browser) -> None:
    person = Browser(app)
    person.log_in(VICTIM)
    token = person.token()
    person.post("/logout")
    person.log_in(VICTIM)
    assert person.client.post("/logout", data={"csrf": token}, headers=OWN).status_code == 403
