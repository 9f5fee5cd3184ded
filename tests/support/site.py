"""The web app with a stand-in for the model, and a browser that fills in its forms."""

from __future__ import annotations

import os
import re
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

from fastapi import FastAPI
from httpx import Response
from pwdlib.hashers.argon2 import Argon2Hasher
from starlette.testclient import TestClient

from clip_emotion.models.base import ImageTextEncoder
from clip_emotion.web import Settings, create_app
from clip_emotion.web.labelling import Labelling
from clip_emotion.web.security.passwords import Passwords
from clip_emotion.web.site import Site
from tests.support.fakes import FakeEncoder
from tests.support.postgres import VARIABLE, fresh_database

BASE = "https://testserver"
OWN = {"sec-fetch-site": "same-origin"}
PASSWORD = "a sentence of mine"
_TOKEN = re.compile(r'name="csrf" value="([0-9a-f]+)"')


def make_site(folder: Path, **settings: Any) -> FastAPI:
    """Return the app over a new data folder: a fake encoder, quick passwords; on PostgreSQL where one is named."""
    server = os.environ.get(VARIABLE)
    chosen = Settings(**{"data": folder, "database": fresh_database(server) if server else None, **settings})
    app = create_app(chosen, labelling=Labelling(cast(ImageTextEncoder, FakeEncoder()), chosen))
    quick = Passwords(Argon2Hasher(time_cost=1, memory_cost=8, parallelism=1))
    app.state.site = replace(app.state.site, passwords=quick)
    return app


def site_of(app: FastAPI) -> Site:
    """Return what the app is made of."""
    site: Site = app.state.site
    return site


class Browser:
    """Somebody at the site: keeps cookies, and sends forms with their token as a browser would."""

    def __init__(self, app: FastAPI, language: str = "en", address: str = "testclient") -> None:
        self.app = app
        headers = {"accept-language": language}
        self.client = TestClient(app, BASE, follow_redirects=False, headers=headers, client=(address, 50000))

    def get(self, path: str, **options: Any) -> Response:
        """Open a page."""
        answer: Response = self.client.get(path, **options)
        return answer

    def token(self, path: str = "/") -> str:
        """Return the token of a page's forms."""
        found = _TOKEN.search(self.get(path).text)
        assert found is not None
        return found[1]

    def post(self, path: str, data: dict[str, Any] | None = None, **options: Any) -> Response:
        """Send a form, with its token."""
        form = {"csrf": self.token(), **(data or {})}
        answer: Response = self.client.post(path, data=form, headers=OWN, **options)
        return answer

    def sign_up(self, email: str, password: str = PASSWORD) -> Browser:
        """Make an account and log in."""
        assert self.post("/register", {"email": email, "password": password}).status_code == 303
        assert self.log_in(email, password).status_code == 303
        return self

    def log_in(self, email: str, password: str = PASSWORD) -> Response:
        """Log in."""
        return self.post("/login", {"email": email, "password": password})
