"""Interview rehearsals: frames in order, shares and changes over time, questions, moments, the page and its PDF."""

from __future__ import annotations

import re
import shutil
import threading
from pathlib import Path

import numpy as np
import pytest
from fastapi import FastAPI
from sqlalchemy import select
from sqlalchemy.orm import selectinload, undefer

from clip_emotion.errors import ClipEmotionError
from clip_emotion.web.database.tables import INTERVIEW, Result
from clip_emotion.web.interview import printing
from clip_emotion.web.interview.course import changes, moments, parts, width_of
from clip_emotion.web.interview.frames import clock, frames_of, seconds_of
from clip_emotion.web.interview.making import PATIENCE, questions_of
from clip_emotion.web.interview.showing import report_of
from clip_emotion.web.labelling import Labelling, Upload
from tests.support.pictures import plain
from tests.support.site import Browser, site_of
from tests.web.test_label_pages import encoded, files_of, uploaded

COURSE = ("red", "red", "red", "blue", "green", "red", "blue", "blue")


@pytest.fixture(autouse=True)
def whole_pictures(monkeypatch: pytest.MonkeyPatch) -> None:
    """Plain colours show no face: here a picture as a whole counts as one."""
    monkeypatch.setattr("clip_emotion.web.interview.making.NO_FACE", "never said")


def rehearse(person: Browser, *colours: str, **form: str) -> str:
    given = {"words": "red,green,blue", "every": "30", **form}
    answer = person.post("/interview", given, files=uploaded(*map(encoded, colours)))
    assert answer.status_code == 303, answer.text
    return str(answer.headers["location"])


def result_of(app: FastAPI, place: str) -> Result:
    with site_of(app).database.reading() as db:
        query = select(Result).where(Result.id == place.rsplit("/", 1)[1])
        return db.scalars(query.options(undefer(Result.payload), selectinload(Result.pictures))).one()


def names(*given: str) -> list[Upload]:
    return [Upload(name, bytes) for name in given]


def test_a_rehearsal_becomes_a_report(app: FastAPI, person: Browser) -> None:
    place = rehearse(person, *COURSE, title="<b>first</b>")
    result = result_of(app, place)
    assert (result.kind, result.saved, result.leading, result.title) == (INTERVIEW, True, "red", "<b>first</b>")
    assert [picture.time for picture in result.pictures] == [30.0 * at for at in range(8)]
    report = report_of(result, "en", lambda picture: picture.id)
    assert [still.word for still in report.stills] == list(COURSE)
    assert [still.place for still in report.stills][:3] == ["0:00", "0:30", "1:00"]
    assert report.steady[0].change == "0.0%"
    assert {still.word for still in report.steady[0].frames} == {"red"}
    assert all(len({still.word for still in one.frames}) == 2 for one in report.varying)
    page = person.get(place).text
    assert "&lt;b&gt;first&lt;/b&gt;" in page
    assert "gives no score of character" in page
    assert len(re.findall(r'name="begins"', page)) == len(COURSE)
    assert not re.search(r"<style|<script(?![^>]* src=)| style=| on[a-z]+=", page + person.get("/interview").text)
    assert f'href="{place}"' in person.get("/history?kind=interview").text


@pytest.mark.parametrize(("language", "told"), [("en", "One picture with a face"), ("ko", "얼굴이 보인 사진이 1장")])
def test_a_rehearsal_of_one_picture_counts_one(person: Browser, language: str, told: str) -> None:
    place = rehearse(person, "red")
    person.post("/language", {"language": language, "next": "/"})
    page = person.get(place).text
    assert told in page
    assert "1 pictures" not in page


def test_a_rehearsal_is_cut_by_time_by_number_and_by_hand(app: FastAPI, person: Browser) -> None:
    place = rehearse(person, *COURSE)
    for form, wanted in (
        (
            {"do": "lines", "questions": "0:00 자기소개\n1:20 지원 동기\n\n#7 끝"},
            [[0, "자기소개"], [3, "지원 동기"], [6, "끝"]],
        ),
        ({"do": "ticks", "begins": ["3", "5", "99", "x"]}, [[0, "자기소개"], [3, "지원 동기"], [5, ""]]),
        ({"do": "lines", "questions": "nonsense"}, [[0, "자기소개"], [3, "지원 동기"], [5, ""]]),
        ({"do": "lines", "questions": "#9 too late"}, [[0, "자기소개"], [3, "지원 동기"], [5, ""]]),
    ):
        assert person.post(f"{place}/cut", form).status_code == 303
        assert result_of(app, place).payload["questions"] == wanted, form
    questions = report_of(result_of(app, place), "ko", lambda picture: "").questions
    assert [(one.title, one.first, one.last, one.count) for one in questions] == [
        ("자기소개", "0:00", "1:00", 3),
        ("지원 동기", "1:30", "2:00", 2),
        ("", "2:30", "3:30", 3),
    ]
    assert [one.bars[0].name for one in questions][::2] == ["red", "blue"]


def test_what_cannot_be_read_is_left_out_or_refused(app: FastAPI, person: Browser) -> None:
    before = files_of(app)
    answer = person.post("/interview", {"words": "red,blue"}, files=uploaded(b"no picture"))
    assert answer.status_code == 422
    assert "No picture shows a face." in answer.text
    wrong = person.post("/interview", {"words": "red,blue", "times": "1,2"}, files=uploaded(encoded("red")))
    assert "These times cannot be taken." in wrong.text
    assert person.post("/interview", files=uploaded()).status_code == 422
    assert files_of(app) == before
    files = uploaded(encoded("red"), b"no picture", encoded("blue"))
    place = person.post("/interview", {"words": "red,blue"}, files=files).headers["location"]
    assert "they cannot be read: 1" in person.get(place).text
    assert [still.place for still in report_of(result_of(app, place), "en", lambda picture: "").stills] == ["#1", "#2"]


def test_a_failure_leaves_no_pictures(app: FastAPI, person: Browser, monkeypatch: pytest.MonkeyPatch) -> None:
    before = files_of(app)
    monkeypatch.setattr("clip_emotion.web.interview.making._complete", lambda *rest: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        person.post("/interview", {"words": "red,blue"}, files=uploaded(encoded("red")))
    assert files_of(app) == before


def test_a_rehearsal_that_has_begun_waits_for_room(
    app: FastAPI, person: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("clip_emotion.web.interview.making.BLOCK", 2)
    labelling, label = site_of(app).labelling, Labelling.label
    others = labelling.settings.queue - 1

    def crowded(self: Labelling, *given: object) -> list[object]:
        found = label(self, *given)  # type: ignore[arg-type]
        if not labelling.waiting:
            labelling._reserve(others, 0)
            threading.Timer(0.1, labelling._release, (others,)).start()
        return found

    monkeypatch.setattr(Labelling, "label", crowded)
    assert len(result_of(app, rehearse(person, *COURSE[:3], "blue")).pictures) == 4
    monkeypatch.undo()
    labelling._reserve(others, PATIENCE)
    before = files_of(app)
    answer = person.post("/interview", {"words": "red,green"}, files=uploaded(encoded("red"), encoded("blue")))
    labelling._release(others)
    assert answer.status_code == 503
    assert files_of(app) == before


def test_faceless_frames_count_in_no_figure(app: FastAPI, person: Browser, monkeypatch: pytest.MonkeyPatch) -> None:
    label = Labelling.label
    monkeypatch.setattr("clip_emotion.web.interview.making.NO_FACE", "the first note")

    def noted(self: Labelling, uploads: list[Upload], *rest: object) -> list[object]:
        found = label(self, uploads, *rest)
        object.__setattr__(found[0].predictions[0].face, "note", "the first note")
        return found

    monkeypatch.setattr(Labelling, "label", noted)
    report = report_of(result_of(app, rehearse(person, "green", "red", "red")), "en", lambda picture: "")
    assert [still.word for still in report.stills] == ["–", "red", "red"]
    assert report.seen == 2
    assert report.words[0][1] == "red"
    assert report.questions[0].count == 2
    assert report.change == "0.0%"


def test_a_report_is_the_owners_alone_and_goes_with_its_pictures(app: FastAPI, person: Browser) -> None:
    before = files_of(app)
    place = rehearse(person, "red", "blue")
    stranger = Browser(app).sign_up("rehearses@example.org")
    assert stranger.get(place).status_code == 404
    for path in (f"{place}/cut", f"{place}/pdf", f"{place}/delete"):
        assert stranger.post(path, {"questions": "0 x"}).status_code == 404
    assert person.post(f"{place}/delete").headers["location"] == "/interview?said=interview.deleted"
    assert person.get(place).status_code == 404
    assert files_of(app) == before


def test_without_chromium_the_page_says_how_to_print(
    app: FastAPI, person: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = rehearse(person, "red", "blue")
    monkeypatch.setattr("clip_emotion.web.routes.interview.chromium", lambda: None)
    monkeypatch.setattr(printing, "chromium", lambda: None)
    assert "choose &#34;Save as PDF&#34;" in person.get(place).text
    assert f'action="{place}/pdf"' not in person.get(place).text
    with pytest.raises(ClipEmotionError, match="no Chromium"):
        printing.pdf_of("")


@pytest.mark.real_data
@pytest.mark.skipif(not shutil.which("chromium"), reason="no Chromium is installed")
def test_the_report_is_printed(app: FastAPI, person: Browser) -> None:
    answer = person.post(f"{rehearse(person, *COURSE, title='면접 연습')}/pdf")
    assert answer.headers["content-type"] == "application/pdf"
    assert answer.content.startswith(b"%PDF-")
    assert len(answer.content) > 10_000


def test_a_clip_is_read_at_even_times_and_not_kept(app: FastAPI, person: Browser, tmp_path: Path) -> None:
    pytest.importorskip("av")
    from tests.support.videos import Encoding, write_video

    images = [plain(colour, (64, 64)) for colour in ("red", "red", "blue", "green") for _ in range(5)]
    clip = write_video(tmp_path / "a.mp4", images, Encoding(fps=5))
    file = [("clip", ("a.mp4", clip.read_bytes(), "video/mp4"))]
    place = person.post("/interview", {"words": "red,green,blue"}, files=file).headers["location"]
    report = report_of(result_of(app, place), "en", lambda picture: "")
    assert [(still.place, still.word) for still in report.stills] == [
        ("0:00", "red"),
        ("0:01", "red"),
        ("0:02", "blue"),
        ("0:03", "green"),
    ]
    broken = [("clip", ("a.mp4", b"no clip at all", "video/mp4"))]
    answer = person.post("/interview", {"words": "red,green"}, files=broken)
    assert answer.status_code == 422
    assert "This clip cannot be read." in answer.text


def test_times_and_order() -> None:
    assert [frame.time for frame in frames_of(names("b", "a"), "0:05 1:02:03.5")] == [5, 3723.5]
    assert [frame.time for frame in frames_of(names("b", "a"), every="2.5")] == [0, 2.5]
    assert [frame.time for frame in frames_of(names("b", "a"))] == [None, None]
    ordered = frames_of(names("shot 10.jpg", "shot 2.jpg", "a1", "Ⅷ"), by_name=True)
    assert [frame.upload.name for frame in ordered] == ["a1", "shot 2.jpg", "shot 10.jpg", "Ⅷ"]
    for times in ("1", "2 1", "1 x", "-1 2", "1 99999:00"):
        with pytest.raises(ValueError, match=r"time|more than"):
            frames_of(names("a", "b"), times)
    assert [clock(seconds) for seconds in (0, 59.6, 3723.5)] == ["0:00", "1:00", "1:02:04"]
    assert seconds_of("90") == seconds_of("1:30")


def test_changes_are_total_variation_and_moments_do_not_overlap() -> None:
    shares = np.array([[1, 0], [1, 0], [0.5, 0.5], [0, 1], [0, 1], [0, 1], [1, 0], [0, 1]], dtype=float)
    assert changes(shares).tolist() == [0, 0.5, 0.5, 0, 0, 1, 1]
    assert [width_of(count) for count in (1, 8, 12, 100)] == [2, 2, 3, 5]
    steady = moments(shares, steadiest=True)
    assert [(one.first, one.last, one.change) for one in steady] == [(0, 1, 0), (3, 4, 0)]
    assert [one.first for one in moments(shares, steadiest=False)] == [5, 1]
    assert moments(shares[:1], steadiest=True) == []
    (first, second) = parts(shares, [True] * 7 + [False], [(0, "a"), (6, "b")])
    assert (first.end, first.change) == (6, pytest.approx(0.2))
    assert second.shares is not None
    assert second.shares.tolist() == [1, 0]
    assert second.change is None


def test_lines_that_are_none_are_refused() -> None:
    frames = [{"time": 0.0}, {"time": 10.0}]
    assert questions_of("5 later", frames) == [[0, ""], [1, "later"]]
    for line in ("later", "11 x", "#0 x", "#3 x", "#² x"):
        with pytest.raises(ValueError, match=r"time|picture"):
            questions_of(line, frames)
