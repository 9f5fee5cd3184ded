"""What every page keeps to: headers, sizes, languages, texts, static files, faults."""

from __future__ import annotations

import json
import re
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from fastapi import FastAPI
from sqlalchemy import create_engine, text

from clip_emotion.errors import DataError, UsageError
from clip_emotion.web import Settings
from clip_emotion.web.database import Database
from clip_emotion.web.database.migrating import is_current, migrate
from clip_emotion.web.database.tables import Base
from clip_emotion.web.pages import assets, environment
from clip_emotion.web.security.secret import Secret
from clip_emotion.web.texts import FOLDER, all_texts, preferred
from clip_emotion.web.wording import comments
from tests.support.site import OWN, Browser, make_site

WEB = FOLDER.parent


def test_every_answer_carries_the_headers(visitor: Browser, person: Browser) -> None:
    for answer in (visitor.get("/"), visitor.get("/nowhere"), person.get("/account"), visitor.get("/healthz")):
        headers = answer.headers
        assert "unsafe" not in headers["content-security-policy"]
        assert headers["content-security-policy"].startswith("default-src 'none'; script-src 'self'; style-src 'self';")
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["cache-control"] == "no-store"
        assert headers["strict-transport-security"].startswith("max-age=63072000")


def test_pages_hold_nothing_inline(visitor: Browser, person: Browser) -> None:
    for page in (
        visitor.get("/"),
        visitor.get("/login"),
        visitor.get("/register"),
        *map(person.get, ("/label", "/score")),
    ):
        assert page.status_code == 200
        assert not re.search(r"<style|<script(?![^>]* src=)| style=| on[a-z]+=", page.text)


def test_what_is_too_large_is_refused_before_it_is_read(tmp_path: Path) -> None:
    browser = Browser(make_site(tmp_path, bodies={"/": 2000, "/try": 4000}))
    token = browser.token()
    for path, size, status in (("/login", 2000, 401), ("/login", 2001, 413), ("/try", 4000, 422), ("/try", 4001, 413)):
        form = {"csrf": token, "filler": "x" * (size - len(f"csrf={token}&filler="))}
        assert browser.client.post(path, data=form, headers=OWN).status_code == status, (path, size)

    def pieces() -> Iterator[bytes]:
        yield f"csrf={token}&filler=".encode()
        for _ in range(100):
            yield b"x" * 100

    headers = {**OWN, "content-type": "application/x-www-form-urlencoded"}
    assert browser.client.post("/login", content=pieces(), headers=headers).status_code == 413


def test_languages_by_browser_and_by_switch(app: FastAPI) -> None:
    browser = Browser(app, "de, ko;q=0.9, en;q=0.4")
    assert '<html lang="ko">' in browser.get("/").text
    assert browser.post("/language", {"language": "en", "next": "/login"}).headers["location"] == "/login"
    assert '<html lang="en">' in browser.get("/").text
    assert preferred("", ("ko", "en")) == "ko"
    assert preferred("en-GB;q=x, ko", ("ko", "en")) == "ko"


def test_templates_say_only_texts_that_are_there() -> None:
    families = "|".join(path.stem for path in FOLDER.glob("*.yaml"))
    key = re.compile(rf"[\"']((?:{families})\.[a-z_0-9]*[a-z0-9])[\"']")
    sources = [*WEB.rglob("*.j2"), *WEB.rglob("*.py")]
    said = {(path.name, found) for path in sources for found in key.findall(path.read_text("utf-8"))}
    said = {one for one in said if not one[1].endswith((".json", ".css", ".js"))}
    assert len(said) > 80
    assert {one for one in said if one[1] not in all_texts()} == set()
    assert all(environment().get_template(path.name) for path in (WEB / "templates").glob("*.html.j2"))
    assert set(comments()) >= {"happy", "sad", "other"}


def test_static_files_are_kept_for_ever_under_names_that_change(visitor: Browser) -> None:
    page = visitor.get("/").text
    for path in re.findall(r'(?:href|src)="(/static/[^"]+)"', page):
        answer = visitor.get(path)
        assert answer.status_code == 200
        assert "immutable" in answer.headers["cache-control"]
    for path in ("/static/../settings.py", "/static/%2e%2e%2fsettings.py", "/static/nothing.js"):
        assert visitor.get(path).status_code == 404
    assert len(assets()["site.js"].content.splitlines()) < 300


def test_faults_are_pages_for_people_and_problems_for_programs(visitor: Browser) -> None:
    page, problem = visitor.get("/nowhere"), visitor.get("/api/v1/nowhere")
    assert "There is no such page." in page.text
    assert problem.headers["content-type"] == "application/problem+json"
    assert problem.json() == {"type": "about:blank", "title": "Not Found", "status": 404, "detail": "Not Found"}


def test_health(visitor: Browser) -> None:
    assert visitor.get("/healthz").json() == {"status": "ok"}
    assert visitor.get("/readyz").json() == {"ready": True, "database": True, "model": True, "queue": True}


def test_migrations_make_the_tables_that_the_code_has(tmp_path: Path) -> None:
    database = Database(f"sqlite:///{tmp_path / 'a.db'}")
    assert not is_current(database.engine)
    migrate(database.engine)
    migrate(database.engine)
    assert is_current(database.engine)
    with database.engine.connect() as connection:
        assert compare_metadata(MigrationContext.configure(connection), Base.metadata) == []
        modes = [connection.execute(text(f"PRAGMA {name}")).scalar() for name in ("journal_mode", "foreign_keys")]
    assert modes == ["wal", 1]
    database.close()


def test_a_database_that_cannot_be_had_is_told(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="URL"):
        Database("nonsense")
    engine = create_engine(f"sqlite:///{tmp_path / 'no' / 'folder.db'}")
    with pytest.raises(DataError, match="cannot be opened"):
        migrate(engine)


def test_the_data_folder_and_its_secret_are_the_owners_alone(tmp_path: Path) -> None:
    settings = Settings(data=tmp_path / "new" / "site")
    settings.prepare()
    first, again = Secret.of(settings), Secret.of(settings)
    assert first.sign("csrf", "x") == again.sign("csrf", "x") != first.sign("other", "x")
    assert stat.S_IMODE(settings.data.stat().st_mode) == 0o700
    assert stat.S_IMODE((settings.data / "secret").stat().st_mode) == 0o600
    with pytest.raises(UsageError, match="32 letters"):
        Secret.of(Settings(data=tmp_path, secret="short"))


def test_settings_that_the_documents_show_are_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    shown = re.findall(
        r"`(CLIP_EMOTION_WEB_[A-Z]+)='([^']+)'`", (WEB.parents[1] / "docs/serving.md").read_text("utf-8")
    )
    assert {"CLIP_EMOTION_WEB_RATES", "CLIP_EMOTION_WEB_PROXIES"} <= {name for name, _ in shown}
    for name, value in shown:
        monkeypatch.setenv(name, value)
    assert json.loads(dict(shown)["CLIP_EMOTION_WEB_RATES"]).items() <= Settings().rates.items()
