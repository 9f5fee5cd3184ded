"""What nobody wants any more goes while the site runs, cheaply; work on disk stays in the data folder."""

from __future__ import annotations

import io
import time
from datetime import timedelta
from pathlib import Path

import anyio
import pytest
from fastapi import FastAPI
from sqlalchemy import func, select
from starlette.testclient import TestClient

from clip_emotion.errors import VideoError
from clip_emotion.retrieval.exports.options import ExportOptions
from clip_emotion.vocabulary import Vocabulary
from clip_emotion.web import Settings, sweeping
from clip_emotion.web.database.tables import FailedLogin, IdempotencyKey, Result, now
from clip_emotion.web.downloads import draft
from clip_emotion.web.exporting import write_export
from clip_emotion.web.interview.clips import frames_of_clip
from clip_emotion.web.labelling import Asked, Labelling, Upload
from tests.support.fakes import FakeEncoder
from tests.support.postgres import sqlite_alone
from tests.support.site import Browser, make_site, site_of
from tests.support.site_results import plans, result, user_of


def test_a_site_where_nobody_labels_sweeps_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sweeping.keep_swept, "__defaults__", (0.02,))
    app = make_site(tmp_path)
    site = site_of(app)
    with TestClient(app):
        Browser(app).sign_up("idle@example.org")
        owner = user_of(site, "idle@example.org")
        with site.database.writing() as db:
            db.add(result(owner, now() - 2 * site.settings.unsaved, saved=False))
            db.add(FailedLogin(user_id=None, address="127.0.0.9", time=now() - timedelta(days=40)))
            for key, days in (("old", 1.1), ("new", 0.9)):
                made = now() - timedelta(days=days)
                db.add(IdempotencyKey(owner_id=owner.id, key=key, request="0", created=made))
        for _ in range(200):
            with site.database.reading() as db:
                left = db.scalar(select(func.count(Result.id))), db.scalar(select(func.count(FailedLogin.id)))
                keys = list(db.scalars(select(IdempotencyKey.key)))
            if left == (0, 0) and keys == ["new"]:
                break
            time.sleep(0.02)
    assert (left, keys) == ((0, 0), ["new"])


def test_a_sweep_that_fails_is_logged_and_tried_again(
    app: FastAPI, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    tries: list[int] = []

    def fails(site: object) -> None:
        tries.append(1)
        raise OSError("the disk is full")

    async def some() -> None:
        with anyio.move_on_after(2) as scope:
            async with anyio.create_task_group() as group:
                group.start_soon(sweeping.keep_swept, site_of(app), 0.001)
                while len(tries) < 3:
                    await anyio.sleep(0.001)
                group.cancel_scope.cancel()
        assert not scope.cancelled_caught

    monkeypatch.setattr(sweeping, "sweep_rows", fails)
    anyio.run(some)
    assert len(tries) >= 3
    logged = [record.exc_info for record in caplog.records if "could not be swept" in record.message]
    assert len(logged) >= 3
    assert all(info is not None and isinstance(info[1], OSError) for info in logged)


@sqlite_alone
def test_a_look_for_unsaved_results_takes_no_writers_turn_and_reads_an_index(
    app: FastAPI, person: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    site = site_of(app)
    with plans(site) as found, monkeypatch.context() as patched:
        patched.setattr(type(site.database), "writing", lambda self: pytest.fail("nothing is to be written"))
        sweeping.sweep_unsaved(site)
    assert found
    assert all("ix_results_unsaved" in plan for plan in found), found


def test_a_picture_that_another_process_removes_meanwhile_stops_no_sweep(app: FastAPI) -> None:
    folder = site_of(app).pictures.folder
    (folder / "gone.jpg").symlink_to(folder / "nowhere")
    (folder / "orphan.jpg").write_bytes(b"left by a killed process")
    sweeping.sweep_pictures(site_of(app), grace=0)
    (folder / "gone.jpg").unlink()
    assert not (folder / "orphan.jpg").exists()


def test_exports_and_clips_lie_in_the_data_folder(
    app: FastAPI, person: Browser, request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    site = site_of(app)
    folders: list[Path] = []
    monkeypatch.setattr("tempfile.tempdir", "/nowhere/at/all")
    monkeypatch.setattr("clip_emotion.web.exporting.export", lambda *asked: folders.append(asked[2]))
    owner = user_of(site, f"{abs(hash(request.node.nodeid))}@example.org")
    write_export(site, owner, "imagefolder", ExportOptions(), tmp_path / "out.zip")
    assert site.settings.temporary in folders[0].parents
    for path in ("/review/export", "/account/data"):
        assert person.post(path).content.startswith(b"PK")
    with pytest.raises(OSError, match="full"), draft(site.settings.temporary, ".zip"):
        raise OSError("the disk is full")
    with pytest.raises(VideoError), frames_of_clip("a.mp4", io.BytesIO(b"no clip"), site.settings):
        pass
    assert list(site.settings.temporary.iterdir()) == []


def test_where_one_picture_fails_nobody_waits_for_the_others(tmp_path: Path) -> None:
    labelling = Labelling(FakeEncoder(), Settings(data=tmp_path, workers=1))
    read: list[int] = []

    def reads(number: int) -> bytes:
        if number == 0:
            raise OSError("the upload is gone")
        time.sleep(0.05)
        read.append(number)
        return b""

    uploads = [Upload(str(number), lambda number=number: reads(number)) for number in range(20)]
    with pytest.raises(OSError, match="gone"):
        labelling.label(uploads, Asked(Vocabulary.load("basic7"), "en"))
    labelling.close()
    assert len(read) < 5
    assert labelling.waiting == 0
