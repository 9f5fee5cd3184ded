"""Chats on the site: scored, masked, kept as asked, their page under a strict policy."""

from __future__ import annotations

import json
import re
import zlib
from pathlib import Path

import pytest
from fastapi import FastAPI
from sqlalchemy import select
from sqlalchemy.orm import undefer

from clip_emotion.errors import DataError
from clip_emotion.web.database.tables import Document, Result
from clip_emotion.web.reports import Report, inside
from clip_emotion.web.routes import score as pages
from clip_emotion.web.scoring import Scoring
from scoring import ConversationScore, ReadOptions, ScorerOptions, load_scorer, score_file
from tests.support.fakes import FakeEncoder
from tests.support.pictures import plain, save
from tests.support.site import Browser, site_of

CHAT = "하린: 오늘 정말 고마워\n도윤: 나야말로 하린아\n하린: 보고 싶었어\n도윤: 나도 많이\n"


class Given:
    """Scores by words that are given, without a model."""

    def __init__(self) -> None:
        self.reading: list[ReadOptions | None] = []

    def score(
        self, content: bytes, name: str, language: str, reading: ReadOptions | None = None
    ) -> list[ConversationScore]:
        self.reading.append(reading)
        if b":" not in content:
            raise DataError("There is no chat in it.")
        return [SCORE]


@pytest.fixture(scope="module", autouse=True)
def scored(tmp_path_factory: pytest.TempPathFactory) -> None:
    global SCORE
    path = Path(tmp_path_factory.mktemp("chat")) / "chat.txt"
    path.write_text(CHAT, "utf-8")
    (SCORE,) = score_file(path, load_scorer(ScorerOptions(lang="ko")))


SCORE: ConversationScore
REAL_SCORE = Scoring.score


@pytest.fixture(autouse=True)
def given(app: FastAPI, monkeypatch: pytest.MonkeyPatch) -> Given:
    given = Given()
    monkeypatch.setattr(Scoring, "score", lambda self, *asked: given.score(*asked))
    monkeypatch.setattr("scoring.output.report._plots", lambda score: {})
    return given


def send(person: Browser, content: str = CHAT, **form: str) -> str:
    answer = person.post("/score", form, files=[("chat", ("우리 대화.txt", content.encode(), "text/plain"))])
    assert answer.status_code == 200
    return answer.text


def documents(app: FastAPI) -> list[str]:
    with site_of(app).database.reading() as db:
        return [zlib.decompress(content).decode() for content in db.scalars(select(Document.content))]


def test_names_are_masked_unless_that_is_unticked(person: Browser) -> None:
    masked, plain = send(person, mask="1", keep="nothing"), send(person, keep="nothing")
    assert "하린" not in masked
    assert "화자 1" in masked
    assert "나야말로 하린아" in plain


def test_texts_are_kept_only_where_that_is_asked(app: FastAPI, person: Browser) -> None:
    send(person, mask="1", keep="nothing")
    assert documents(app) == []
    page = send(person, mask="1", keep="numbers")
    assert "보고 싶었어" in page
    assert not any("보고 싶었어" in one for one in documents(app))
    with site_of(app).database.reading() as db:
        (result,) = db.scalars(select(Result).options(undefer(Result.payload)))
    assert result.payload["turns"][0]["score"] == pytest.approx(SCORE.turns[0].score, abs=1e-6)
    assert "보고 싶었어" not in str(result.payload)
    kept = person.get(f"/score/{result.id}")
    assert kept.status_code == 200
    assert "보고 싶었어" not in kept.text
    assert Browser(app).get(f"/score/{result.id}").status_code == 303
    assert person.post(f"/score/{result.id}/delete").status_code == 303
    assert documents(app) == []
    send(person, keep="text")
    assert sum("보고 싶었어" in one for one in documents(app)) == 2


def test_the_report_needs_no_inline_style(app: FastAPI, person: Browser) -> None:
    answer = person.post("/score", {"keep": "nothing"}, files=[("chat", ("a.txt", CHAT.encode(), "text/plain"))])
    assert " style=" not in answer.text
    (style,) = re.findall(r"<style>(.*?)</style>", answer.text, re.DOTALL)
    assert Report("", style).policy == answer.headers["content-security-policy"]
    assert 'data-rule="r0"' in answer.text


def test_the_page_says_nothing_of_a_command_line(person: Browser) -> None:
    page = person.post("/score", {"keep": "nothing"}, files=[("chat", ("a.txt", CHAT.encode(), "text/plain"))]).text
    assert "말이 그대로 실려 있어요." in page
    assert "--" not in re.sub(r"<[^>]*>", "", page[page.index('<div id="content"') : page.index("<footer")])


def test_what_people_say_does_not_become_style() -> None:
    said = inside('<main><i style="left: 3%"></i><p>&#34; style=&#34;color: red&#34;</p></main>')
    assert said.style == '[data-rule="r0"]{left: 3%}'
    assert said.content == '<i data-rule="r0"></i><p>&#34; style=&#34;color: red&#34;</p>'


def test_what_is_no_chat_is_told(person: Browser) -> None:
    answer = person.post("/score", files=[("chat", ("a.txt", b"nothing", "text/plain"))])
    assert answer.status_code == 422
    assert "This file cannot be read as a chat. There is no chat in it." in answer.text
    assert person.post("/score", files=[]).status_code == 422
    assert pages.KEEP[0] == "numbers"


def test_layout_and_order_of_dates_may_be_named(person: Browser, given: Given) -> None:
    page = person.get("/score").text
    assert 'value="whatsapp"' in page
    assert 'value="mdy"' in page
    send(person, keep="nothing", layout="plain", date_order="dmy")
    send(person, keep="nothing", layout="../etc", date_order="")
    assert given.reading == [ReadOptions("plain", "dmy"), ReadOptions()]


def test_images_that_a_chat_names_are_not_looked_at(tmp_path: Path) -> None:
    """A path in an export is one of the machine that serves: nothing there may be opened for whoever wrote it."""
    picture = save(plain("red"), tmp_path / "private.png")
    rows = [{"speaker": "a", "text": "hello", "image": str(picture)}, {"speaker": "b", "text": "hi"}]
    content = "".join(json.dumps(row) + "\n" for row in rows).encode()
    encoder = FakeEncoder()
    (score,) = REAL_SCORE(Scoring(encoder), content, "chat.jsonl", "en")
    assert [one.turn.image for one in score.turns] == [None, None]
    assert encoder.image_calls == 0
    assert score.language == "en"
    assert "gratitude" in score.labels.values()
