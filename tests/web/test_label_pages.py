"""Pictures on the site: tried, labelled, saved, discarded, kept without EXIF, shown to their owners alone."""

from __future__ import annotations

import io
import os
import re
import threading
import zipfile
from dataclasses import replace
from pathlib import Path
from unicodedata import east_asian_width

import pytest
from fastapi import FastAPI
from PIL import Image
from sqlalchemy import func, select, update
from sqlalchemy.orm import undefer

from clip_emotion.data.images import ImageSource
from clip_emotion.errors import UsageError
from clip_emotion.label import LANGUAGES
from clip_emotion.retrieval.labelling.labeller import ZeroShotLabeller
from clip_emotion.retrieval.labelling.stream import StreamConfig
from clip_emotion.vocabulary import Vocabulary
from clip_emotion.web import Settings
from clip_emotion.web.batching import Batcher
from clip_emotion.web.database.tables import Picture, Result, now
from clip_emotion.web.labelling import Asked, Busy, Labelling, Upload, chosen_words
from clip_emotion.web.pages import environment
from clip_emotion.web.showing import Card, Face
from clip_emotion.web.sweeping import sweep
from clip_emotion.web.wording import offers
from tests.support.fakes import FakeEncoder
from tests.support.pictures import plain
from tests.support.site import Browser, site_of


def encoded(colour: str, form: str = "PNG", **options: object) -> bytes:
    stream = io.BytesIO()
    plain(colour).save(stream, form, **options)
    return stream.getvalue()


def uploaded(*contents: bytes, field: str = "pictures") -> list[tuple[str, tuple[str, bytes, str]]]:
    return [(field, (f"{number}.png", content, "image/png")) for number, content in enumerate(contents)]


def label(person: Browser, *contents: bytes, **form: str) -> str:
    answer = person.post("/label", {"words": "red,green,blue", **form}, files=uploaded(*contents))
    assert answer.status_code == 303, answer.text
    return str(answer.headers["location"])


def files_of(app: FastAPI) -> set[str]:
    return {path.name for path in site_of(app).pictures.folder.iterdir()}


def test_one_picture_is_tried_without_an_account_and_nothing_is_kept(app: FastAPI, visitor: Browser) -> None:
    before = files_of(app)
    answer = visitor.post("/try", {"words": "red, green"}, files=uploaded(encoded("green"), field="picture"))
    assert answer.status_code == 200
    assert re.search(r"<bdi>green</bdi></span><span class=\"share\">\d+%", answer.text)
    assert "data:image/jpeg;base64," in answer.text
    assert files_of(app) == before


def test_pictures_are_labelled_shown_and_saved(app: FastAPI, person: Browser) -> None:
    place = label(person, encoded("red"), encoded("blue"), b"no picture at all")
    page = person.get(place).text
    assert re.findall(r"<bdi>(red|blue|green)</bdi>", page)[::3] == ["red", "blue"]
    assert "This picture cannot be read." in page
    assert person.post(place, {"do": "save"}).headers["location"] == "/label?said=label.saved"
    batch = place.rsplit("/", 1)[1]
    with site_of(app).database.reading() as db:
        rows = list(db.scalars(select(Result).where(Result.batch == batch).options(undefer(Result.payload))))
    assert {row.leading: row.saved for row in rows} == {"red": True, "blue": True}
    assert {row.payload["rows"][0]["labels"][0]["label"] for row in rows} == {"red", "blue"}


def test_faces_of_one_picture_have_numbers_in_it() -> None:
    faces = tuple(Face([left, 2, 20, 20], (), "", False) for left in (10, 60))
    drawn = environment().get_template("cards.html.j2").module.picture
    several = Card("", "a.png", "/a", 100, 80, faces, "", None)
    assert re.findall(r'<text x="(\d+)" y="(\d+)"[^>]*>(\d)</text>', str(drawn(several, ""))) == [
        ("10", "5", "1"),
        ("60", "5", "2"),
    ]
    assert "<text" not in str(drawn(replace(several, faces=faces[:1]), ""))


def test_rows_are_those_of_the_command_line(tmp_path: Path) -> None:
    settings = Settings(data=tmp_path)
    labelling = Labelling(FakeEncoder(), settings)
    vocabulary = Vocabulary.load("basic7")
    asked = Asked(vocabulary, "en", top=3)
    found = labelling.label([Upload(f"{one}.png", lambda one=one: encoded(one)) for one in ("red", "blue")], asked)
    labelling.close()
    labeller = ZeroShotLabeller(FakeEncoder(), vocabulary, "en")
    sources = [ImageSource(f"{one}.png", encoded(one)) for one in ("red", "blue")]
    assert [row for one in found for row in one.predictions] == list(labeller.stream(sources, 3, StreamConfig()))
    assert found[0].rows[0]["settings"].startswith("lang=en face=each/max_faces:10 words=")


def test_discarded_and_forgotten_pictures_are_gone(app: FastAPI, person: Browser) -> None:
    site, before = site_of(app), files_of(app)
    place = label(person, encoded("red"))
    assert len(files_of(app) - before) == 1
    assert person.post(place, {"do": "discard"}).status_code == 303
    assert files_of(app) == before
    assert person.get(place).status_code == 404
    old = label(person, encoded("red")).rsplit("/", 1)[1]
    with site.database.writing() as db:
        db.execute(update(Result).where(Result.batch == old).values(created=now() - 2 * site.settings.unsaved))
    orphan = site.pictures.folder / "orphan.jpg"
    orphan.write_bytes(b"left by a killed process")
    os.utime(orphan, (0, 0))
    sweep(site)
    assert files_of(app) == before


def test_kept_pictures_hold_no_exif_and_are_the_owners_alone(app: FastAPI, person: Browser) -> None:
    exif = Image.Exif()
    exif[0x010E] = "where it was taken"
    exif[0x8825] = {1: "N", 2: (37.0, 33.0, 59.0)}
    place = label(person, encoded("green", "JPEG", exif=exif))
    (source,) = re.findall(r'src="(/pictures/[^"]+)"', person.get(place).text)
    answer = person.get(source)
    assert answer.headers["content-disposition"].startswith("attachment; filename=")
    kept = Image.open(io.BytesIO(answer.content))
    assert kept.format == "JPEG"
    assert not dict(kept.getexif())
    assert b"where it was taken" not in answer.content
    assert person.get(f"{source}/thumbnail").headers["content-type"] == "image/webp"
    stranger = Browser(app).sign_up("stranger@example.org")
    for path in (source, f"{source}/thumbnail", place):
        assert stranger.get(path).status_code == 404
        assert Browser(app).get(path).headers["location"].startswith("/login")
    assert stranger.post(place, {"do": "discard"}).status_code == 404
    assert person.get(place).status_code == 200


def test_an_account_goes_with_everything_and_can_be_taken_along(app: FastAPI, person: Browser) -> None:
    before = files_of(app)
    person.post(label(person, encoded("red")), {"do": "save"})
    answer = person.post("/account/data")
    with zipfile.ZipFile(io.BytesIO(answer.content)) as archive:
        names = archive.namelist()
        account = archive.read("account.json").decode()
    assert [name.split("/")[0] for name in names] == ["account.json", "pictures", "results.jsonl"]
    assert "argon2" not in account
    assert person.post("/account/delete", {"password": "not the right one"}).status_code == 422
    assert person.post("/account/delete", {"password": "a sentence of mine"}).status_code == 303
    assert files_of(app) == before
    with site_of(app).database.reading() as db:
        assert db.scalar(select(func.count()).select_from(Picture)) == len(before)


def test_what_is_deleted_meanwhile_is_not_taken_along(
    app: FastAPI, person: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    person.post(label(person, encoded("red"), encoded("blue")), {"do": "save"})
    write, deleted = zipfile.ZipFile.write, list[Path]()

    def late(self: zipfile.ZipFile, path: Path, *rest: object) -> None:
        if not deleted:
            deleted.append(path)
            path.unlink()
        write(self, path, *rest)  # type: ignore[arg-type]

    monkeypatch.setattr(zipfile.ZipFile, "write", late)
    answer = person.post("/account/data")
    with zipfile.ZipFile(io.BytesIO(answer.content)) as archive:
        assert archive.testzip() is None
        assert sum(name.startswith("pictures/") for name in archive.namelist()) == 1
    assert deleted


def test_no_pictures_and_too_many(person: Browser) -> None:
    assert person.post("/label", files=uploaded()).status_code == 422
    answer = person.post("/label", files=uploaded(*[b"x"] * 51))
    assert answer.status_code == 422
    assert "At most 50 pictures" in answer.text


def test_words_are_names_or_lists_and_never_files(tmp_path: Path) -> None:
    (tmp_path / "words.txt").write_text("secret\n")
    for strange in (str(tmp_path / "words.txt"), "../basic7", "", "words.yaml"):
        with pytest.raises(UsageError, match="Unknown vocabulary"):
            chosen_words(strange)
    assert chosen_words("", "기쁨, 슬픔\nproud").keys == ("기쁨", "슬픔", "proud")
    with pytest.raises(UsageError, match="at most 100 words"):
        chosen_words("", ",".join(map(str, range(101))))


@pytest.mark.parametrize("language", LANGUAGES)
def test_vocabularies_are_short_to_choose_and_tell_their_words(app: FastAPI, language: str) -> None:
    page = Browser(app, language).get("/").text
    choices = re.findall(r"<option value=\"\w+\">([^<]+)</option>", page)
    assert [text.split(" · ")[0] for text in choices] == [offer.name for offer in offers(language)]
    columns = [sum(2 if east_asian_width(sign) == "W" else 1 for sign in text) for text in choices]
    assert max(columns) <= 24  # what a telephone of 360 pixels has room for
    told = dict(re.findall(r"<dt>(\w+)</dt><dd>([^<]+)</dd>", page))
    assert told["basic8"] == ", ".join(Vocabulary.load("basic8").names(language))
    assert told["kote44"].endswith(" …")


def test_a_full_queue_is_told_at_once(app: FastAPI, person: Browser, tmp_path: Path) -> None:
    labelling = Labelling(FakeEncoder(), Settings(data=tmp_path, queue=2))
    held = threading.Event()
    waiting = [Upload("slow", lambda: encoded("red") if held.wait(10) else b"")] * 2
    thread = threading.Thread(target=labelling.label, args=(waiting, Asked(Vocabulary.from_words(["red", "blue"]))))
    thread.start()
    while labelling.waiting < 2:
        pass
    with pytest.raises(Busy):
        labelling.label(waiting[:1], Asked(Vocabulary.from_words(["red"])))
    held.set()
    thread.join()
    assert labelling.waiting == 0
    labelling.close()


def test_pictures_of_many_requests_share_a_batch() -> None:
    encoder = FakeEncoder()
    batcher = Batcher(encoder, size=32, wait=0.5)
    waiting = [batcher.submit(encoder.preprocess(plain("red"))) for _ in range(40)]
    assert len({one.result(5).tobytes() for one in waiting}) == 1
    assert encoder.image_calls == 2
    batcher.close()


def test_a_fault_of_the_encoder_belongs_to_those_who_wait() -> None:
    batcher = Batcher(FakeEncoder(), wait=0.0)
    wrong = batcher.submit("not pixels at all")
    assert isinstance(wrong.exception(5), TypeError)
    assert batcher.submit(FakeEncoder().preprocess(plain("blue"))).result(5)[2] > 0.9
    batcher.close()
