"""Two people at one site: ``victim`` has pictures, chats and tokens, ``stranger`` wants them."""

from __future__ import annotations

import io

import pytest
from fastapi import FastAPI
from sqlalchemy import select

from clip_emotion.web.database.tables import ADMIN, LABEL, SCORE, AccessToken, Document, Picture, Result, User
from clip_emotion.web.reports import Report
from clip_emotion.web.security.secret import hashed
from tests.support.attacks import keys_of
from tests.support.pictures import GRACE_HOPPER, plain
from tests.support.site import Browser, site_of
from tests.support.site_results import user_of

VICTIM, STRANGER, ADMINS = "victim@example.org", "stranger@example.org", "admin@example.org"
SECRET = "geheimnis"
"""Stands in the names of all files of the victim, so that whoever reads of them is found out."""


def picture(colour: str = "red") -> bytes:
    stream = io.BytesIO()
    plain(colour).save(stream, "PNG")
    return stream.getvalue()


def upload(person: Browser, name: str, *, words: str = "red,green,blue", save: bool = True) -> str:
    files = [("pictures", (f"{number}{name}.png", picture("red"), "image/png")) for number in range(2)]
    answer = person.post("/label", {"words": words}, files=files)
    assert answer.status_code == 303, answer.text
    if save:
        person.post(answer.headers["location"], {"do": "save"})
    return str(answer.headers["location"])


@pytest.fixture(scope="module")
def victim(app: FastAPI) -> Browser:
    person = Browser(app).sign_up(VICTIM)
    upload(person, SECRET)
    upload(person, SECRET, save=False)
    faces = [("pictures", (f"{number}{SECRET}.jpg", GRACE_HOPPER.read_bytes(), "image/jpeg")) for number in range(2)]
    interview = person.post("/interview", {"words": "red,green,blue", "title": SECRET}, files=faces)
    assert interview.headers["location"].startswith("/interview/"), interview.text
    owner = user_of(site_of(person.app), VICTIM)
    with site_of(app).database.reading() as db:
        picture = db.scalars(select(Picture.id).join(Result).where(Result.kind == LABEL, Result.saved)).first()
    assert person.post(f"/review/{picture}", {"pick": "other", "word": SECRET}).headers["location"] == "/review"
    with site_of(app).database.writing() as db:
        chat = Result(owner_id=owner.id, kind=SCORE, saved=True, title=SECRET, model="m", fingerprint="f", payload={})
        db.add(chat)
        db.flush()
        page = Report(f"<p>{SECRET}</p>", "").packed()
        db.add_all(Document(result_id=chat.id, kind=kind, content=page) for kind in ("page", "text"))
        db.add(AccessToken(owner_id=owner.id, hash=hashed("a token"), name=SECRET, scopes="label"))
    return person


@pytest.fixture(scope="module")
def stranger(app: FastAPI) -> Browser:
    return Browser(app).sign_up(STRANGER)


@pytest.fixture(scope="module")
def admin(app: FastAPI) -> Browser:
    person = Browser(app).sign_up(ADMINS)
    with site_of(app).database.writing() as db:
        db.get_one(User, user_of(site_of(person.app), ADMINS).id).role = ADMIN
    return person


@pytest.fixture(scope="module")
def prey(app: FastAPI, victim: Browser) -> list[str]:
    """Every key of the victim's."""
    return keys_of(site_of(app), user_of(site_of(victim.app), VICTIM).id)
