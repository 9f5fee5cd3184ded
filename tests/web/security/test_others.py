"""What belongs to others: guessed or swapped keys lead to nothing, on every route and in every form."""

from __future__ import annotations

import pytest
from fastapi import FastAPI

from tests.support.attacks import belongings, cookies_of, doors, forms, pages, raw, tables
from tests.support.site import OWN, Browser, site_of
from tests.support.site_results import user_of
from tests.web.security.conftest import SECRET, VICTIM

GUESSES = [
    "0",
    "-1",
    "null",
    "\0",
    "..",
    "../../../etc/passwd",
    "..\\secret",
    "secret",
    "*",
    "%",
    "' OR '1'='1",
    "한글",
    "x" * 3000,
]


def test_the_walk_finds_the_victims_pages(app: FastAPI, victim: Browser, prey: list[str]) -> None:
    """The attacks below would show nothing if the routes and keys that they try led nowhere anyway."""
    answers = pages(victim, prey)
    seen = {path for path, answer in answers.items() if answer.status_code == 200}
    assert {"/label", "/score", "/account", "/"} <= seen
    for family in ("/label/", "/score/", "/pictures/"):
        assert any(path.startswith(family) for path in seen), family
    assert sum(SECRET in answer.text for answer in answers.values()) >= 3
    actions = {form.action.split("/")[1] for form in forms(answers)}
    assert {"label", "score", "account", "logout", "try", "language"} <= actions


def test_nobody_reads_what_belongs_to_others(victim: Browser, stranger: Browser, prey: list[str]) -> None:
    known = pages(stranger)
    for path, answer in pages(stranger, prey).items():
        if path not in known:
            assert answer.status_code in (303, 401, 403, 404), path
        assert SECRET not in answer.text, path
        assert VICTIM not in answer.text, path


def test_nobody_without_an_account_reads_anything(app: FastAPI, victim: Browser, prey: list[str]) -> None:
    for path, answer in pages(Browser(app), prey).items():
        assert SECRET not in answer.text, path
        if any(key in path for key in prey):
            assert answer.status_code in (303, 401, 403, 404), path


def test_nobody_changes_what_belongs_to_others(
    app: FastAPI, victim: Browser, stranger: Browser, prey: list[str]
) -> None:
    """Every form that the victim sees, sent by the stranger with a token of the stranger's own; then every door."""
    site, owner = site_of(app), user_of(site_of(victim.app), VICTIM).id
    seen = forms(pages(victim, prey))
    before, token = belongings(site, owner), stranger.token()
    for form in seen:
        if form.method == "post" and any(key in f"{form.action} {form.values()}" for key in prey):
            for button in form.buttons:
                sent = {**form.values(), **button, "csrf": token}
                answer = stranger.client.post(form.action, data=sent, headers=OWN)
                assert answer.status_code < 500, form.action
                assert SECRET not in answer.text
    for door in doors(app, unsafe=True):
        for path in door.filled(prey) if door.names else []:
            answer = stranger.client.request(door.method, path, data={"csrf": token}, headers=OWN)
            assert answer.status_code in (303, 401, 403, 404, 405, 422), path
    assert belongings(site, owner) == before


def test_a_key_that_is_none_is_just_unknown(app: FastAPI, victim: Browser) -> None:
    """Sent past the client, which would tidy up the paths; a zero sign once reached PostgreSQL, which takes none."""
    headers = {**OWN, **cookies_of(victim), "x-csrf-token": victim.token()}
    tried = 0
    for door in [*doors(app, unsafe=False), *doors(app, unsafe=True)]:
        if len(door.names) == 1:
            for path in door.filled(GUESSES):
                answer = raw(app, door.method, path, headers)
                assert answer.status in (303, 400, 401, 404, 405, 422), (door, path)
                assert b"root:" not in answer.body
                tried += 1
    assert tried > 60


def test_no_get_changes_anything(app: FastAPI, victim: Browser, admin: Browser, prey: list[str]) -> None:
    site = site_of(app)
    before = tables(site), sorted(path.name for path in site.pictures.folder.iterdir())
    query = {"do": "discard", "delete": "1", "action": "delete", "language": "ko", "confirm": "yes"}
    for door in doors(app, unsafe=False):
        for path in door.filled(prey):
            assert victim.get(path, params=query).status_code < 500, path
        for browser in (admin, Browser(app)) if door.names == [] else ():
            assert browser.get(door.path, params=query).status_code < 500, path
    assert (tables(site), sorted(path.name for path in site.pictures.folder.iterdir())) == before
    assert victim.get("/account").status_code == 200


def test_pages_of_admins_are_not_there_for_others(app: FastAPI, victim: Browser, stranger: Browser) -> None:
    paths = [door for door in doors(app, unsafe=False) if door.path.startswith("/admin")]
    for door in paths:
        for path in door.filled(["1"]):
            assert stranger.get(path).status_code == 404, path
            assert Browser(app).get(path).status_code in (303, 404), path


@pytest.mark.parametrize(
    "path", ["/label/", "https://testserver//evil.example/", "/score//", "/.git/config", "/static/", "/pictures/"]
)
def test_no_path_leads_elsewhere(victim: Browser, path: str) -> None:
    """A slash too many was once answered with a redirect to the host that the request itself had named."""
    answer = victim.get(path, headers={"host": "evil.example"})
    assert "evil" not in answer.headers.get("location", "")
    assert answer.status_code == 404
