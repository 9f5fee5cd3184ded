"""Everything of an account in a .zip: in blocks, whatever is saved or deleted meanwhile, and not too often."""

from __future__ import annotations

import io
import json
import weakref
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from fastapi import FastAPI
from sqlalchemy import event, update

from clip_emotion.web import takeout
from clip_emotion.web.database.tables import LABEL, SCORE, Document, Result, User
from clip_emotion.web.history import delete_results
from tests.support.site import Browser, make_site, site_of
from tests.support.site_results import result, user_of

BLOCK = 3


@pytest.fixture
def owner(app: FastAPI, person: Browser, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> User:
    monkeypatch.setattr(takeout, "BLOCKS", {**takeout.BLOCKS, LABEL: BLOCK})
    return user_of(site_of(app), f"{abs(hash(request.node.nodeid))}@example.org")


def write(app: FastAPI, owner: User, count: int, **chosen: Any) -> list[Result]:
    """Write results with a picture each, whose files are there."""
    site = site_of(app)
    made = [result(owner, picture=True, **chosen) for _ in range(count)]
    with site.database.writing() as db:
        db.add_all(made)
    for one in made:
        site.pictures.path(one.pictures[0]).write_bytes(b"picture")
    return made


def taken(person: Browser) -> tuple[list[dict[str, Any]], set[str]]:
    """Return the results of a download, and the names of its other files."""
    answer = person.post("/account/data")
    assert answer.status_code == 200
    with zipfile.ZipFile(io.BytesIO(answer.content)) as archive:
        assert archive.testzip() is None
        rows = [json.loads(line) for line in archive.read("results.jsonl").decode().splitlines()]
        return rows, {*archive.namelist()} - {"account.json", "results.jsonl"}


@contextmanager
def held() -> Iterator[list[int]]:
    """Count the results in memory at every one that is read within the block."""
    alive, counts = weakref.WeakSet[Result](), list[int]()

    def read(row: Result, context: object) -> None:
        alive.add(row)
        counts.append(len(alive))

    event.listen(Result, "load", read)
    try:
        yield counts
    finally:
        event.remove(Result, "load", read)


def test_results_are_read_in_blocks(app: FastAPI, person: Browser, owner: User) -> None:
    made = write(app, owner, 10 * BLOCK)
    with held() as counts:
        rows, files = taken(person)
    assert [row["id"] for row in rows] == [one.id for one in sorted(made, key=lambda one: one.created, reverse=True)]
    assert files == {f"pictures/{row['pictures'][0]['id']}.jpg" for row in rows}
    assert len(counts) == 10 * BLOCK
    assert max(counts) <= 2 * BLOCK + 1  # this block, the one before it, and the row in hand


def test_what_is_deleted_or_saved_meanwhile(
    app: FastAPI, person: Browser, owner: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = write(app, owner, 2 * BLOCK, saved=False)[-1]
    kept = write(app, owner, 2 * BLOCK)
    gone = {kept[0].id, kept[-1].id}
    add = zipfile.ZipFile.write

    def changed(self: zipfile.ZipFile, path: Path, *rest: Any) -> None:
        if first.pictures[0].file == path.name:  # before any result that is saved is read
            save_all()
        if kept[-1].pictures[0].file == path.name:  # its block is read already, the first one's is not
            delete()
        add(self, path, *rest)

    def save_all() -> None:
        with site_of(app).database.writing() as db:
            db.execute(update(Result).where(Result.owner_id == owner.id).values(saved=True))

    def delete() -> None:
        with site_of(app).database.writing() as db:
            files = delete_results(db, Result.id.in_(gone))
        site_of(app).pictures.remove(files)

    monkeypatch.setattr(zipfile.ZipFile, "write", changed)
    rows, files = taken(person)
    assert len(rows) == len({row["id"] for row in rows}) == 4 * BLOCK - 2
    assert not gone & {row["id"] for row in rows}
    assert files == {f"pictures/{row['pictures'][0]['id']}.jpg" for row in rows}


def test_a_lost_file_takes_no_result_along(app: FastAPI, person: Browser, owner: User) -> None:
    [one] = write(app, owner, 1)
    site_of(app).pictures.path(one.pictures[0]).unlink()
    [row], files = taken(person)
    assert (row["id"], row["pictures"], files) == (one.id, [], set())


def test_chats_come_with_their_documents_or_not_at_all(
    app: FastAPI, person: Browser, owner: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    chats = [result(owner, kind=SCORE, payload={}) for _ in range(2)]
    with site_of(app).database.writing() as db:
        db.add_all(chats)
        db.flush()
        db.add_all(Document(result_id=one.id, kind="text", content=zlib.compress(b"hello")) for one in chats)
    rows, files = taken(person)
    assert {row["id"] for row in rows} == {one.id for one in chats}
    assert files == {f"documents/{one.id}.txt" for one in chats}
    with_documents = takeout._with_documents

    def late(site: Any, chat: Result, archive: zipfile.ZipFile) -> bool:
        with site.database.writing() as db:
            delete_results(db, Result.id == chat.id)
        return with_documents(site, chat, archive)

    monkeypatch.setattr(takeout, "_with_documents", late)
    assert taken(person) == ([], set())


def test_nobody_fills_the_disk_with_downloads(tmp_path: Path) -> None:
    person = Browser(make_site(tmp_path, rates={"export-account": "1/hour"})).sign_up("often@example.org")
    assert [person.post("/account/data").status_code for _ in range(2)] == [200, 429]
