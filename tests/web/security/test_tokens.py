"""Tokens of the API: what belongs to others stays so, a scope is a scope, and no token opens a page."""

from __future__ import annotations

import pytest
from fastapi import FastAPI
from sqlalchemy import select

from clip_emotion.web.database.tables import Picture
from clip_emotion.web.security import tokens
from tests.support.api import Caller
from tests.support.attacks import Door, belongings, doors, keys_of
from tests.support.site import OWN, Browser, site_of
from tests.support.site_results import user_of
from tests.web.security.conftest import SECRET, VICTIM, picture

FORGED = ["", "ce_", "ce_" + "x" * 43, "a token", "' OR '1'='1", "x" * 5000, "null"]


@pytest.fixture(scope="module")
def thief(app: FastAPI) -> Caller:
    """A program of somebody else, whose token may do everything."""
    return Caller(app, "thief@example.org", *tokens.SCOPES)


def api_doors(app: FastAPI) -> list[Door]:
    found = [*doors(app, unsafe=False), *doors(app, unsafe=True)]
    return [door for door in found if door.path.startswith("/api/") and "openapi" not in door.path]


def test_a_token_reaches_what_is_its_owners_alone(
    app: FastAPI, victim: Browser, prey: list[str], thief: Caller
) -> None:
    site, owner = site_of(app), user_of(site_of(victim.app), VICTIM).id
    before = belongings(site, owner)
    for door in api_doors(app):
        for path in door.filled(prey):
            for query in ({}, {"owner": owner, "owner_id": owner, "user": VICTIM, "batch": prey[0], "cursor": prey[0]}):
                answer = thief.client.request(door.method, path, params=query)
                assert answer.status_code < 500, (door, path)
                assert SECRET not in answer.text, (door, path)
                assert not door.names or answer.status_code in (400, 404, 405, 415, 422), (door, path)
    assert belongings(site, owner) == before


def test_another_programs_key_of_a_write_gives_nothing_away(app: FastAPI, victim: Browser, thief: Caller) -> None:
    """Two owners may use the same idempotency key; each is answered with what is its own."""
    other = Caller(app, "other@example.org")
    mine = other.label("red", key="same-key", words=f"{SECRET}x,blue").json()
    theirs = thief.label("red", key="same-key", words="green,blue").json()
    assert SECRET in str(mine)
    assert SECRET not in str(theirs)


def test_a_scope_opens_no_other_door(app: FastAPI) -> None:
    """Each token may do one thing: of all doors that need a scope, it opens only those of its own."""
    opened = {}
    for number, scope in enumerate(tokens.SCOPES):
        program = Caller(app, f"scope{number}@example.org", scope)
        answers = {(door.method, door.path): program.client.request(door.method, door.filled(["x"])[0])
                   for door in api_doors(app)}  # fmt: skip
        opened[scope] = {door for door, answer in answers.items() if answer.status_code != 403}
        assert opened[scope] != set(answers), scope
    free = set.intersection(*opened.values())
    assert not any("label" in path or "score" in path or "export" in path or "history" in path for _, path in free)
    for first in tokens.SCOPES:
        for second in tokens.SCOPES:
            shared = (opened[first] & opened[second]) - free
            assert first == second or not {door for door in shared if door[0] != "GET"}, (first, second)


@pytest.mark.parametrize("token", FORGED)
def test_forged_tokens_open_nothing(app: FastAPI, victim: Browser, token: str) -> None:
    program = Browser(app)
    for door in api_doors(app):
        headers = {"authorization": f"Bearer {token}"}
        assert program.client.request(door.method, door.filled(["x"])[0], headers=headers).status_code == 401, door


def test_no_token_opens_a_page(app: FastAPI, thief: Caller) -> None:
    for path in ("/account", "/history", "/label", "/account/tokens", "/admin"):
        assert thief.client.get(path).headers["location"].startswith("/login")


def test_an_admins_doors_are_forged_by_nobody(app: FastAPI, admin: Browser, stranger: Browser, prey: list[str]) -> None:
    """Not without the admin's token, not by somebody else, not after the password was given too long ago."""
    site, owner = site_of(app), prey[-1]
    before = belongings(site, owner)
    changing = [door for door in doors(app, unsafe=True) if door.path.startswith("/admin")]
    assert changing
    sent = {"do": "lock", "role": "admin", "locked": "1"}
    for door in changing:
        for path in door.filled([owner]):
            assert admin.client.request(door.method, path, data=sent, headers=OWN).status_code in (303, 403)
            form = {**sent, "csrf": stranger.token()}
            assert stranger.client.request(door.method, path, data=form, headers=OWN).status_code == 404
    assert belongings(site, owner) == before


def test_an_admin_sees_no_picture_of_others(app: FastAPI, victim: Browser, admin: Browser, prey: list[str]) -> None:
    for door in doors(app, unsafe=False):
        for path in door.filled(prey[::3]):
            assert SECRET not in admin.get(path).text, path


def test_deleting_by_another_familys_door_leaves_no_picture(app: FastAPI) -> None:
    """A labelled picture's key at the door that deletes chats once left the file behind."""
    person = Browser(app).sign_up("doors@example.org")
    files = [("pictures", ("a.png", picture(), "image/png"))]
    place = person.post("/label", {"words": "red,blue"}, files=files).headers["location"]
    person.post(place, {"do": "save"})
    site, owner = site_of(app), user_of(site_of(person.app), "doors@example.org").id
    for door in doors(app, unsafe=True):
        if door.names and not door.path.startswith(("/admin", "/account")):
            for path in door.filled(keys_of(site, owner)):
                person.post(path, {"do": "delete", "confirm": "yes"})
    kept = belongings(site, owner)
    on_disk = {path.name for path in site.pictures.folder.iterdir()}
    with site.database.reading() as db:
        assert on_disk == set(db.scalars(select(Picture.file)))
    assert len(kept["files"]) == len(kept["pictures"])
