from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from fastapi import FastAPI

from clip_emotion.web.settings import RATES
from tests.support.site import Browser, make_site, site_of

if TYPE_CHECKING:
    from playwright.sync_api import Browser as Chromium

CHROMIUM = ("/usr/bin/chromium", "/usr/bin/chromium-browser", "/usr/bin/google-chrome")


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FastAPI]:
    """One site for the tests of a module: each signs up with an address of its own."""
    made = make_site(Path(tmp_path_factory.mktemp("site")), rates=dict.fromkeys(RATES, "10000/minute"))
    yield made
    site_of(made).labelling.close()
    site_of(made).database.close()


@pytest.fixture
def visitor(app: FastAPI) -> Browser:
    return Browser(app)


@pytest.fixture
def person(app: FastAPI, request: pytest.FixtureRequest) -> Browser:
    return Browser(app).sign_up(f"{abs(hash(request.node.nodeid))}@example.org")


@pytest.fixture(scope="session")
def chromium() -> Iterator[Chromium]:
    """One real browser for all tests of a run, since Playwright allows one loop in a thread; skips without it."""
    playwright = pytest.importorskip("playwright.sync_api", reason="pip install playwright axe-playwright-python")
    path = os.environ.get("CLIP_EMOTION_CHROMIUM") or next(filter(None, map(shutil.which, CHROMIUM)), None)
    if path is None:
        pytest.skip("there is no Chromium: apt-get install chromium")
    with playwright.sync_playwright() as started:
        browser = started.chromium.launch(executable_path=path, args=["--no-sandbox", "--disable-dev-shm-usage"])
        yield browser
        browser.close()
