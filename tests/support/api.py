"""Somebody who calls the API: an account with a token, and a client that carries it."""

from __future__ import annotations

import io
from typing import Any

from fastapi import FastAPI
from httpx import Response
from PIL import Image
from starlette.testclient import TestClient

from clip_emotion.web.database.tables import ADMIN, USER, User
from clip_emotion.web.security import tokens
from tests.support.site import BASE, site_of

PREFIX = "/api/v1"
ALL = [*tokens.SCOPES, *tokens.ADMIN_SCOPES]


def add_account(app: FastAPI, email: str, *, admin: bool = False) -> User:
    """Write an account with a password that nobody has, and return it."""
    with site_of(app).database.writing() as db:
        user = User(email=email, password="none", role=ADMIN if admin else USER)
        db.add(user)
    return user


def token_of(app: FastAPI, user: User, *scopes: str) -> str:
    """Make a token for an account and return it; without scopes it may do everything."""
    with site_of(app).database.writing() as db:
        return tokens.mint(db, user.id, "test", list(scopes) or ALL, None)


class Caller:
    """A program with a token, of an account of its own."""

    def __init__(self, app: FastAPI, email: str, *scopes: str) -> None:
        self.user = add_account(app, email)
        self.token = token_of(app, self.user, *scopes)
        headers = {"authorization": f"Bearer {self.token}"}
        self.client = TestClient(app, BASE, follow_redirects=False, headers=headers)

    def call(self, method: str, path: str, **options: Any) -> Response:
        """Send a request to an address of the API."""
        answer: Response = self.client.request(method, PREFIX + path, **options)
        return answer

    def get(self, path: str, **query: Any) -> Response:
        """Read."""
        return self.call("GET", path, params=query)

    def label(self, *colours: str, key: str | None = None, **fields: Any) -> Response:
        """Label plain pictures with three colours as words."""
        files = [("pictures", (f"{one}.png", picture(one), "image/png")) for one in colours]
        headers = {"idempotency-key": key} if key else {}
        data = {"words": "red,green,blue", **fields}
        return self.call("POST", "/label", files=files, data=data, headers=headers)


def picture(colour: str) -> bytes:
    """Return a plain picture as a PNG file."""
    stream = io.BytesIO()
    Image.new("RGB", (32, 32), colour).save(stream, "PNG")
    return stream.getvalue()
