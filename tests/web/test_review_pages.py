"""Review: a word by one key, other words, skipping, undoing; and what was agreed on as a data set."""

from __future__ import annotations

import io
import re
import zipfile
from pathlib import Path

import pytest
from fastapi import FastAPI
from PIL import Image
from sqlalchemy import select

from clip_emotion.csv_text import BOM
from clip_emotion.retrieval.exports.options import ExportOptions
from clip_emotion.types import FaceBox
from clip_emotion.web import reviewing
from clip_emotion.web.database.tables import Picture, Result, User, now
from clip_emotion.web.exporting import agreed, write_export
from tests.support.pictures import plain
from tests.support.postgres import sqlite_alone
from tests.support.site import Browser, site_of
from tests.support.site_results import plans, result, user_of

SLOW = [pytest.param(format, marks=pytest.mark.real_data) for format in ("parquet", "dataset")]
"""Formats whose library alone takes seconds to import."""


@pytest.fixture
def owner(app: FastAPI, person: Browser, request: pytest.FixtureRequest) -> User:
    return user_of(site_of(app), f"{abs(hash(request.node.nodeid))}@example.org")


def write(app: FastAPI, *results: Result) -> list[str]:
    """Write results with their pictures' files; return the keys of the pictures, in the order of the queue."""
    for one in results:
        for picture in one.pictures:
            plain("red").save(site_of(app).pictures.path(picture), "JPEG")
    with site_of(app).database.writing() as db:
        db.add_all(results)
    return sorted(picture.id for one in results for picture in one.pictures)


def waiting(person: Browser, path: str = "/review") -> str:
    found = re.search(r'action="/review/([^"]{22})"', person.get(path).text)
    return found[1] if found else ""


def said(app: FastAPI, key: str) -> tuple[str | None, bool, bool]:
    with site_of(app).database.reading() as db:
        picture = db.scalars(select(Picture).where(Picture.id == key)).one()
    return picture.corrected, picture.confirmed, picture.reviewed is not None


def test_each_picture_is_answered_once_and_the_next_one_comes(app: FastAPI, person: Browser, owner: User) -> None:
    keys = write(app, *(result(owner, picture=True) for _ in range(4)), result(owner, picture=True, saved=False))
    keys = [key for key in keys if person.get(f"/review/{key}").status_code == 200]
    assert len(keys) == 4
    assert waiting(person) == keys[0]
    assert person.get(f"/review?after={keys[0]}").text.count("0 of 4 reviewed") == 1
    assert waiting(person, f"/review?after={keys[0]}") == keys[1]
    for key, form in zip(
        keys, ({"pick": "word:happy"}, {"pick": "word:sad"}, {"word": " 화남 "}, {"pick": "none"}), strict=True
    ):
        assert waiting(person) == key
        assert person.post(f"/review/{key}", form).headers["location"] == "/review"
    assert [said(app, key) for key in keys] == [
        ("happy", True, True),
        ("sad", False, True),
        ("angry", False, True),
        (None, False, True),
    ]
    assert "All reviewed" in person.get("/review").text
    assert "4 of 4 reviewed" in person.get("/review").text


def test_undoing_goes_back_step_by_step(app: FastAPI, person: Browser, owner: User) -> None:
    keys = write(app, *(result(owner, picture=True) for _ in range(2)))
    for key in keys:
        person.post(f"/review/{key}", {"pick": "word:happy"})
    assert person.get(f"/review/{keys[0]}").text.count("Answered before: happy") == 1
    for key in reversed(keys):
        assert person.post("/review/undo").headers["location"] == f"/review/{key}?said=review.undone"
        assert said(app, key) == (None, False, False)
    assert person.post("/review/undo").headers["location"] == "/review?said=review.nothing_to_undo"


def test_a_word_is_needed_and_only_an_own_picture_takes_one(app: FastAPI, person: Browser, owner: User) -> None:
    (key,) = write(app, result(owner, picture=True))
    for form in ({}, {"pick": "word:never offered"}, {"pick": "other", "word": "  "}):
        assert person.post(f"/review/{key}", form).headers["location"].endswith("said=review.no_word")
    stranger = Browser(app).sign_up("reviews@example.org")
    for path in (f"/review/{key}", "/review/" + "x" * 22, "/review/%01", "/review/" + "x" * 99):
        assert stranger.get(path).status_code == 404, path
        assert stranger.post(path, {"pick": "word:happy"}).status_code == 404, path
    assert said(app, key) == (None, False, False)
    person.post(f"/review/{key}", {"pick": "other", "word": "<i>설렘</i>"})
    assert said(app, key)[0] == "<i>설렘</i>"
    assert "&lt;i&gt;설렘" in person.get(f"/review/{key}").text


def test_the_keys_of_the_page_are_those_of_its_buttons(app: FastAPI, person: Browser, owner: User) -> None:
    write(app, result(owner, picture=True, words=tuple("abcdefg"), vocabulary="own", family=None))
    page = person.get("/review").text
    assert re.findall(r'data-key="(\w)"', page) == ["1", "2", "3", "4", "5", "0", "w", "s"]
    assert re.findall(r'value="word:(\w)"', page) == list("abcde")
    assert not re.search(r"<style|<script(?![^>]* src=)| style=| on[a-z]+=", page)


@pytest.mark.parametrize("format", ["imagefolder", *SLOW])
def test_what_was_agreed_on_goes_out(app: FastAPI, person: Browser, owner: User, format: str, tmp_path: Path) -> None:
    rows = [result(owner, picture=True), result(owner, picture=True), result(owner, picture=True)]
    write(app, *rows)
    first, second, third = (row.pictures[0].id for row in rows)
    assert person.post("/review/export", {"format": format}).status_code == 422
    for key, form in ((first, {"pick": "word:happy"}), (second, {"word": "설렘"}), (third, {"pick": "none"})):
        person.post(f"/review/{key}", form)
    form = {"format": format, "part": "whole", "title": "Our faces", "licence": "cc-by-4.0", "sources": "A camera"}
    answer = person.post("/review/export", form)
    assert answer.headers["content-disposition"] == f'attachment; filename="faces-{format}.zip"'
    with zipfile.ZipFile(io.BytesIO(answer.content)) as archive:
        archive.extractall(tmp_path)
    card = (tmp_path / "README.md").read_text("utf-8")
    assert "# Our faces" in card
    assert "license: cc-by-4.0" in card
    assert "- A camera" in card
    assert "| happy | happy | 1 |" in card
    assert words(format, tmp_path) == {first.strip("_"): "happy", second.strip("_"): "설렘"}
    everything = b"".join(path.read_bytes() for path in tmp_path.rglob("*") if path.is_file())
    assert b"example.org" not in everything
    assert owner.id.encode() not in everything


def words(format: str, folder: Path) -> dict[str, str]:
    """Read the words of an export by its pictures' keys less outer low lines, which names of files cannot have."""
    if format == "imagefolder":
        lines = (folder / "metadata.csv").read_text("utf-8").removeprefix(BOM).splitlines()
        cells = [line.split(",") for line in lines[1:]]
        assert all(Image.open(folder / cell[0]).size == (48, 48) for cell in cells)
        return {Path(cell[0]).stem.strip("_"): cell[1] for cell in cells}
    if format == "parquet":
        import pyarrow.parquet as pq

        found = pq.read_table(folder / "data").to_pylist()
    else:
        from datasets import load_from_disk

        found = list(load_from_disk(str(folder))["train"])
    return {Path(row["path"]).stem.strip("_"): row["word"] for row in found}


def test_a_face_is_cut_out_of_the_kept_picture(app: FastAPI, owner: User, tmp_path: Path) -> None:
    site = site_of(app)
    large = result(owner, picture=True)
    picture = large.pictures[0]
    picture.width, picture.height = 2 * site.pictures.side, 2 * site.pictures.side
    picture.corrected, picture.reviewed = "happy", now()
    large.payload["rows"][0]["face"]["box"] = [100, 200, 300, 400]
    write(app, large)
    (image,) = agreed(site, owner)
    assert image.faces[0].region.box == FaceBox(50, 100, 150, 200)
    plain("blue", (site.pictures.side, site.pictures.side)).save(site.pictures.path(picture), "JPEG")
    write_export(site, owner, "imagefolder", ExportOptions(), tmp_path / "out.zip")
    with zipfile.ZipFile(tmp_path / "out.zip") as archive:
        (name,) = [name for name in archive.namelist() if name.endswith(".png")]
        assert Image.open(io.BytesIO(archive.read(name))).size[0] < 400
    assert list(site.settings.temporary.iterdir()) == []


@sqlite_alone
def test_the_queue_reads_indexes(app: FastAPI, owner: User) -> None:
    write(app, *(result(owner, picture=True) for _ in range(20)))
    with site_of(app).database.reading() as db, plans(site_of(app)) as found:
        picture = reviewing.waiting(db, owner.id)
        reviewing.waiting(db, owner.id, picture.id if picture else "")
        reviewing.progress(db, owner.id)
        reviewing.last_reviewed(db, owner.id)
    assert len(found) == 5
    assert all("SCAN" not in plan and "TEMP B-TREE" not in plan for plan in found), found
    assert all("ix_pictures_reviewed" in plan for plan in found[:3]), found
