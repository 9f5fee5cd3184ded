"""SQL, HTML and other signs with a meaning in every field of every form that the site has."""

from __future__ import annotations

import re

import pytest
from fastapi import FastAPI

from clip_emotion.web.database.tables import Base
from tests.support.attacks import FoundForm, forms, keys_of, pages
from tests.support.site import OWN, PASSWORD, Browser, site_of
from tests.support.site_results import user_of
from tests.web.security.conftest import picture, upload

EMAIL = "forms@example.org"
HOSTILE = {
    "markup and SQL": "'\"><script>alert(1)</script>{{7*7}}${7*7}'); DROP TABLE users; --",
    "path, lines and zeros": "../../../../etc/passwd\r\nSet-Cookie: x=y\r\n\r\n<h1>\0\x1b[31m\u202e",
    "length": "9" * 5000,
}
LIVE = re.compile(r"<script>alert|<h1>\x1b|<img src=x|49\$|root:x:0")


@pytest.fixture(scope="module")
def person(app: FastAPI) -> Browser:
    made = Browser(app).sign_up(EMAIL)
    upload(made, "own")
    upload(made, "own", save=False)
    return made


@pytest.fixture(scope="module")
def found(app: FastAPI, person: Browser) -> list[FoundForm]:
    keys = keys_of(site_of(app), user_of(site_of(person.app), EMAIL).id)
    return [*forms(pages(Browser(app))), *forms(pages(person, keys))]


@pytest.mark.parametrize("kind", HOSTILE)
def test_every_field_takes_anything(app: FastAPI, person: Browser, found: list[FoundForm], kind: str) -> None:
    """No answer fails, repeats the sign alive, or grows a header; the tables stay."""
    said, tried = HOSTILE[kind], set()
    visitor = Browser(app)
    for form in found:
        for field in form.typed:
            if (form.action, field.name) in tried:
                continue
            tried.add((form.action, field.name))
            browser = visitor if form.action in ("/login", "/register", "/try") else person
            values = {"email": EMAIL, "password": PASSWORD, "old": PASSWORD, **form.values()}
            sent = {**values, field.name: said, "csrf": browser.token()}
            if field.name != "password" and form.action == "/account/delete":
                continue  # with the right password the account would go
            files = [("picture", ("a.png", picture(), "image/png")), ("pictures", ("b.png", picture(), "image/png"))]
            if form.method == "post":
                answer = browser.client.post(form.action, data=sent, headers=OWN, files=files)
            else:
                answer = browser.client.get(form.action, params=sent)
            assert answer.status_code < 500, (form.action, field.name)
            assert not LIVE.search(answer.text), (form.action, field.name)
            assert "x" not in {name.casefold() for name in answer.cookies}
            if answer.status_code == 303:
                assert not LIVE.search(browser.get(answer.headers["location"]).text)
    assert {field for _, field in tried} >= {"email", "password", "words", "old", "new"}
    with site_of(app).database.engine.connect() as connection:
        assert all(connection.dialect.has_table(connection, name) for name in Base.metadata.tables)
    assert person.get("/account").status_code == 200


def test_every_query_takes_anything(person: Browser, found: list[FoundForm]) -> None:
    names = {field.name for form in found for field in form.fields} | {"said", "next", "page", "after"}
    names |= {"cursor", "limit", "q", "from", "to", "day", "week", "kind", "vocabulary", "size"}
    for path, answer in pages(person).items():
        for said in HOSTILE.values() if answer.status_code == 200 and "html" in answer.headers["content-type"] else ():
            shown = person.get(path, params=dict.fromkeys(names, said[:100]))
            assert shown.status_code < 500, path
            assert not LIVE.search(shown.text), path


@pytest.mark.parametrize(
    "name", [*(said[:200] for said in HOSTILE.values()), "<img src=x onerror=alert(1)>.png", "C:\\a\\b.png", "..", ""]
)
def test_names_of_files_are_shown_and_nothing_else(app: FastAPI, person: Browser, name: str) -> None:
    files = [("pictures", (name or "x", picture(), "image/png"))]
    answer = person.post("/label", {"words": "<b>red</b>,'; DROP TABLE users; --,blue"}, files=files)
    assert answer.status_code == 303
    shown = person.get(answer.headers["location"])
    assert not LIVE.search(shown.text)
    assert "<b>red" not in shown.text
    assert "&lt;b&gt;red&lt;/b&gt;" in shown.text
    before = {path.name for path in site_of(app).pictures.folder.iterdir()}
    assert all(re.fullmatch(r"[0-9a-f]{32}\.jpg", one) for one in before)


def test_a_form_of_too_many_or_too_long_fields_is_refused(app: FastAPI) -> None:
    """Forms are held in memory, so that they must be small wherever pictures may be large."""
    visitor = Browser(app)
    token = visitor.token()
    many = {"csrf": token, **{f"field{number}": "x" for number in range(500)}}
    assert visitor.client.post("/try", data=many, headers=OWN).status_code == 400
    long = {"csrf": token, "words": "x" * 2**20}
    nothing = [("picture", ("a.png", b"", "image/png"))]
    assert visitor.client.post("/try", data=long, files=nothing, headers=OWN).status_code == 400
    assert visitor.client.post("/try", data=long, headers=OWN).status_code in (400, 413)
