"""Two people at one site: ``victim`` has pictures, chats and tokens, ``stranger`` wants them."""

from __future__ import annotations

import io
from collections.abc import Iterator

import pytest
from fastapi import FastAPI

from clip_emotion.web.database.tables import ADMIN, AccessToken, User
from clip_emotion.web.security.secret import hashed
from tests.support.attacks import keys_of, user_of
from tests.support.pictures import plain
from tests.support.site import Browser, site_of

VICTIM, STRANGER = "victim@example.org", "stranger@example.org"
SECRET = "geheimnis"
"""Stands in the names of all files of the victim, so that whoever reads of them is found out."""
CHAT = "하린: 오늘 정말 고마워\n도윤: 나야말로 하린아\n하린: 보고 싶었어\n도윤: 나도 많이\n"


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


@pytest.fixture(scope="module", autouse=True)
def quick_reports() -> Iterator[None]:
    """Reports without their plots, whose drawing takes most of the time."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("scoring.output.report._plots", lambda score: {})
        yield


@pytest.fixture(scope="module")
def victim(app: FastAPI) -> Browser:
    person = Browser(app).sign_up(VICTIM)
    upload(person, SECRET)
    upload(person, SECRET, save=False)
    for keep in ("numbers", "text"):
        chat = [("chat", (f"{SECRET}.txt", CHAT.encode(), "text/plain"))]
        assert person.post("/score", {"keep": keep}, files=chat).status_code == 200
    owner = user_of(person, VICTIM)
    with site_of(app).database.writing() as db:
        db.add(AccessToken(owner_id=owner.id, hash=hashed("a token"), name=SECRET, scopes="label"))
    return person


@pytest.fixture(scope="module")
def stranger(app: FastAPI) -> Browser:
    return Browser(app).sign_up(STRANGER)


@pytest.fixture
def admin(app: FastAPI) -> Browser:
    person = Browser(app).sign_up("admin@example.org") if _no_admin(app) else Browser(app)
    with site_of(app).database.writing() as db:
        db.get_one(User, user_of(person, "admin@example.org").id).role = ADMIN
    person.log_in("admin@example.org")
    return person


def _no_admin(app: FastAPI) -> bool:
    try:
        return user_of(Browser(app), "admin@example.org") is None
    except LookupError:
        return True
    except Exception as error:  # noqa: BLE001 - SQLAlchemy's own for no row
        return "No row" in str(error)


@pytest.fixture(scope="module")
def prey(app: FastAPI, victim: Browser) -> list[str]:
    """Every key of the victim's."""
    return keys_of(site_of(app), user_of(victim, VICTIM).id)
