"""Chats that are none, or that say what has a meaning in a page."""

from __future__ import annotations

import io
import json
import random
import re
import zipfile
from collections.abc import Iterator

import pytest
from fastapi import FastAPI

from tests.integration.test_fuzz_chats import LINES
from tests.support.damage import damaged
from tests.support.site import Browser, site_of
from tests.web.security.test_forms import HOSTILE, LIVE

MIB = 2**20


@pytest.fixture(scope="module")
def person(app: FastAPI) -> Browser:
    return Browser(app).sign_up("chats@example.org")


@pytest.fixture(scope="module", autouse=True)
def quick_reports() -> Iterator[None]:
    """Reports without their plots, whose drawing takes most of the time."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("scoring.output.report._plots", lambda score: {})
        yield


def test_what_people_say_in_chats_is_shown_and_nothing_else(person: Browser) -> None:
    evil, other = HOSTILE["markup and SQL"], '<img src=x onerror=alert(1)> style="x" </style><script>alert(1)</script>'
    lines = [{"speaker": evil, "text": other}, {"speaker": other, "text": evil}] * 2
    chat = "".join(f"{json.dumps(line)}\n" for line in lines)
    sent = [("chat", (f"{evil}.jsonl", chat.encode(), "text/plain"))]
    answer = person.post("/score", {"keep": "text"}, files=sent)
    assert answer.status_code == 200
    (key,) = set(re.findall(r"/score/([^/\"]+)/delete", answer.text))
    for page in (answer, person.get(f"/score/{key}")):
        assert not LIVE.search(page.text)
        assert "unsafe" not in page.headers["content-security-policy"]
    assert not LIVE.search(person.post("/account/data").text)


def test_malformed_chats_are_told(app: FastAPI, person: Browser) -> None:
    rng, statuses = random.Random("chats"), set()
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("../../evil.txt", "a: b\n")
        archive.writestr("bomb.txt", b"0" * 5 * MIB)
    contents = [
        packed.getvalue(),
        damaged(packed.getvalue(), rng),
        b"",
        b"\xff\xfe\0\0",
        b"[" * 100_000,
        b"\x1f\x8b\x08",
    ]
    contents += ["\n".join(rng.choices(LINES, k=12)).encode("utf-8", "surrogatepass") for _ in range(6)]
    for number, content in enumerate(contents):
        name = f"chat{rng.choice(['.txt', '.csv', '.json', '.jsonl', '.zip', '.eml', '.xml', '/../x'])}"
        answer = person.post("/score", {"keep": "nothing"}, files=[("chat", (name, content, "text/plain"))])
        assert answer.status_code in (200, 422), number
        statuses.add(answer.status_code)
    assert 422 in statuses
    assert list(site_of(app).settings.temporary.iterdir()) == []
