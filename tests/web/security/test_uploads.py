"""Uploads that are no pictures, no chats, or do not end."""

from __future__ import annotations

import io
import itertools
import random
import tracemalloc
import zlib
from collections.abc import Iterator
from pathlib import Path

import pytest
from fastapi import FastAPI

from tests.support.attacks import cookies_of, doors, raw
from tests.support.damage import PICTURE_KINDS, damaged
from tests.support.pictures import noise
from tests.support.site import OWN, PASSWORD, Browser, make_site, site_of

MIB = 2**20
BOUNDARY = "boundary"
PART = b"--boundary\r\nContent-Disposition: form-data"
HEADS = [
    b"",
    b"no part at all",
    b"--other\r\n\r\n",
    b"--boundary\r\n",
    PART + b"\r\n\r\nx",
    b"--boundary\r\n" + b"X: " + b"y" * 100_000 + b"\r\n\r\n",
    b"--boundary\r\n" + b"X: y\r\n" * 10_000,
    PART + b'; name="pictures"; filename="\xff\xfe"\r\n\r\nx',
    PART + b"; name=\"pictures\"; filename*=utf-8''%00%ff\r\n\r\nx\r\n--boundary--",
]
MULTIPART = {**OWN, "content-type": f"multipart/form-data; boundary={BOUNDARY}"}


@pytest.fixture(scope="module")
def person(app: FastAPI) -> Browser:
    return Browser(app).sign_up("uploads@example.org")


def malformed() -> Iterator[bytes]:
    """Pictures of every format, spoilt; then such as pretend."""
    rng = random.Random("uploads")
    whole = {}
    for kind, options in PICTURE_KINDS.items():
        buffer = io.BytesIO()
        noise((40, 30)).save(buffer, kind, **options)
        whole[kind] = buffer.getvalue()
    bomb = bytearray(whole["PNG"])
    bomb[16:24] = (60_000).to_bytes(4, "big") * 2
    bomb[29:33] = zlib.crc32(bomb[12:29]).to_bytes(4, "big")
    yield from (b"", b"\0", b"GIF89a", b"%!PS-Adobe-3.0\n(%pipe%id) (r) file", b"<svg onload='alert(1)'/>", b"PK\3\4")
    yield bytes(bomb)
    for kind in itertools.cycle(whole):
        yield damaged(whole[kind], rng)


def test_300_malformed_pictures_cost_a_row_each(app: FastAPI, person: Browser) -> None:
    site, source, refused = site_of(app), malformed(), 0
    for _ in range(6):
        contents = list(itertools.islice(source, 50))
        files = [("pictures", (f"{number}.png", one, "image/png")) for number, one in enumerate(contents)]
        answer = person.post("/label", {"words": "red,blue"}, files=files)
        assert answer.status_code == 303
        page = person.get(answer.headers["location"])
        assert page.status_code == 200
        refused += page.text.count("This picture cannot be read.")
        person.post(answer.headers["location"], {"do": "discard"})
    assert 150 < refused < 300
    assert site.labelling.waiting == 0
    assert list(site.pictures.folder.iterdir()) == []


@pytest.mark.parametrize("head", HEADS)
def test_malformed_bodies_are_refused(app: FastAPI, person: Browser, head: bytes) -> None:
    headers = {**MULTIPART, **cookies_of(person)}
    for path in ("/label", "/score", "/try", "/login"):
        assert raw(app, "POST", path, headers, [head]).status in (400, 403, 422), path


def endless(path: str, taken: list[int]) -> Iterator[bytes]:
    """Two gigabytes as a file of a form."""
    yield f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="pictures"; filename="a.png"\r\n\r\n'.encode()
    piece = b"\xff" * MIB
    for number in range(2048):
        taken[0] = number
        yield piece


def test_two_gigabytes_without_a_length_are_refused_on_the_way(tmp_path: Path) -> None:
    """Every door takes its limit and a piece more, memory stays flat, nothing stays on the disk."""
    bodies = {"/": MIB, "/try": 4 * MIB, "/label": 16 * MIB, "/score": 8 * MIB, "/interview": 8 * MIB}
    app = make_site(tmp_path, bodies=bodies)
    person = Browser(app).sign_up("large@example.org")
    headers = {**MULTIPART, **cookies_of(person)}
    tracemalloc.start()
    for door in doors(app, unsafe=True):
        path, taken = door.filled(["x"])[0], [0]
        if path.startswith(("/api/", "/admin")):
            continue
        answer = raw(app, door.method, path, headers, endless(path, taken))
        assert answer.status == 413, (path, answer.status)
        assert taken[0] * MIB <= site_of(app).settings.body_limit(path) + MIB, path
        told = raw(app, door.method, path, {**headers, "content-length": str(2 * 1024 * MIB)}, endless(path, taken))
        assert (told.status, told.taken) == (413, 0)
    assert tracemalloc.get_traced_memory()[1] < 32 * MIB
    tracemalloc.stop()
    assert list(site_of(app).pictures.folder.iterdir()) == []
    assert person.log_in("large@example.org", PASSWORD).status_code == 303


def test_strangers_are_refused_before_anything_is_read(app: FastAPI) -> None:
    for door in doors(app, unsafe=True):
        path = door.filled(["x"])[0]
        if path not in ("/try", "/login", "/register", "/logout", "/language"):
            answer = raw(app, door.method, path, MULTIPART, endless(path, [0]))
            assert answer.status in (303, 401, 403, 404), path
            assert answer.taken == 0, path
