from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from fastapi import FastAPI

from clip_emotion.web.settings import RATES
from tests.support.site import Browser, make_site, site_of


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
