"""The pages that the verbs write, one test a page: alone, in both languages, fit for a telephone."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from PIL import Image

from clip_emotion.cli.main import main
from clip_emotion.data.images import ImageSource, open_image
from clip_emotion.errors import ImageError
from clip_emotion.models import registry
from clip_emotion.retrieval.labelling.contact_sheet import PAGE_SIZE, SheetConfig, write_contact_sheet
from clip_emotion.retrieval.labelling.image_faults import KOREAN, OTHER, korean_fault
from clip_emotion.types import Dimensions, Prediction, ScoredLabel
from tests.support.fakes import FakeEncoder
from tests.support.pages import read_page
from tests.support.pictures import plain, save

START = datetime(2026, 3, 2, 9, 0)
Run = Callable[..., int]
PLACED = ("--dimensions", "--face", "none")


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Run:
    monkeypatch.setattr(registry, "load_encoder", lambda spec="mini", device="auto": FakeEncoder())
    for report in ("scoring.output.report", "clip_emotion.evaluation.report"):
        monkeypatch.setattr(f"{report}.figure_png", lambda figure: b"png")
    monkeypatch.setenv("CLIP_EMOTION_CACHE", str(tmp_path / "cache"))
    for colour in ("red", "blue"):
        save(plain(colour, (200, 150)), tmp_path / "faces" / colour / "a.png")
    (tmp_path / "faces" / "red" / "broken.png").write_bytes(b"no picture")
    return lambda *arguments: main([*map(str, arguments), "--report", str(tmp_path / "report")])


@pytest.mark.parametrize(("language", "pictures"), [("ko", "사진 3장"), ("en", "3 pictures")])
def test_the_contact_sheet(run: Run, tmp_path: Path, language: str, pictures: str) -> None:
    words = "red,blue,설렘,당황,비장함,뿌듯함,흐뭇함"
    assert run("label", tmp_path / "faces", "--labels", words, "--lang", language) == 1
    page = read_page(tmp_path / "report" / "index.html")
    counted = {"ko": "단어 7개", "en": "7 words"}[language]
    assert (page.language, page.title) == (
        language,
        f"red, blue, 설렘, 당황, 비장함, 뿌듯함 … ({counted}) · {pictures}",
    )


@pytest.mark.parametrize("language", ["ko", "en"])
def test_a_sheet_speaks_one_language_at_a_time(run: Run, tmp_path: Path, language: str) -> None:
    assert run("label", tmp_path / "faces", "--vocab", "basic7", "--lang", language) == 1
    page = read_page(tmp_path / "report" / "index.html")
    source = (tmp_path / "report" / "index.html").read_text("utf-8")
    assert "Words of the vocabulary basic7, judged by the model fake" in " ".join(page.words["en"])
    assert "단어 목록 basic7 · 모델 fake" in " ".join(page.words["ko"])
    assert any(said.startswith("읽을 수 있는 사진 파일이 아니에요") for said in page.words["ko"])
    assert "angry" in page.words["en"]
    assert "화남" in page.words["ko"]
    assert not [said for said in page.words["en"] if re.search("[가-힣]", said)]
    # Menus hold no elements: their words stand in attributes, and the switch sets them.
    options = re.findall(r'<option[^>]* data-en="([^"]*)" data-ko="([^"]*)">([^<]*)</option>', source)
    assert len(options) == source.count("<option") >= 6
    assert all(re.search("[가-힣]", ko) and not re.search("[가-힣]", en) for en, ko, _ in options)
    assert [shown for *_, shown in options] == [each[language == "ko"] for each in options]


def test_what_is_wrong_with_a_picture_is_told_in_korean(tmp_path: Path) -> None:
    (tmp_path / "cut.png").write_bytes(save(plain("red", (90, 90)), tmp_path / "whole.png").read_bytes()[:60])
    wrong = {b"": "empty", b"no picture": "format", tmp_path: "folder", tmp_path / "none.png": "unopened"}
    for source, kind in {**wrong, tmp_path / "cut.png": "damaged"}.items():
        with pytest.raises(ImageError) as told:
            open_image(source)
        assert korean_fault(str(told.value)) == KOREAN[kind]
    with pytest.raises(ImageError) as told:
        open_image(tmp_path / "whole.png", max_pixels=10)
    assert korean_fault(str(told.value)) == KOREAN["large"]
    assert korean_fault("Something unheard of.") == OTHER


@pytest.mark.parametrize(("language", "way"), [("ko", "불쾌"), ("en", "unpleasant")])
def test_a_sheet_draws_the_plane_of_valence_and_arousal(run: Run, tmp_path: Path, language: str, way: str) -> None:
    assert run("label", tmp_path / "faces", "--labels", "red,blue", "--lang", language, *PLACED) == 1
    page = read_page(tmp_path / "report" / "index.html")
    source = (tmp_path / "report" / "index.html").read_text("utf-8")
    assert page.headings[-2:] == ["Valence and arousal", "정서가와 각성가"]
    assert {"유쾌", "불쾌", "차분함", "흥분"} <= set(page.words["ko"])
    assert way in page.words[language]
    # A face is a dot and, having room, a picture that leads to its card; the broken file is neither.
    (dots,) = re.findall(r'class="dots" d="([^"]+)"', source)
    assert dots.count("M") == 2
    assert sorted(re.findall(r'<a href="#(card-\d)"', source)) == ["card-1", "card-2"]


def test_a_sheet_without_dimensions_has_no_plane(run: Run, tmp_path: Path) -> None:
    run("label", tmp_path / "faces", "--labels", "red,blue")
    assert "field" not in (tmp_path / "report" / "index.html").read_text("utf-8")


def test_a_sheet_of_faces_says_in_korean_that_there_is_none(run: Run, tmp_path: Path) -> None:
    run("label", tmp_path / "faces", "--labels", "red,blue", "--lang", "ko", "--face", "each")
    source = (tmp_path / "report" / "index.html").read_text("utf-8")
    assert '<div class="cards faces">' in source
    assert "얼굴을 찾지 못해 사진 전체를 봤어요" in read_page(tmp_path / "report" / "index.html").words["ko"]


@pytest.mark.parametrize(("language", "heading"), [("ko", "혼동 행렬"), ("en", "Confusion")])
def test_the_evaluation(run: Run, tmp_path: Path, language: str, heading: str) -> None:
    data = ("--data", tmp_path / "faces", "--labels", "red,blue", "--face", "none")
    assert run("evaluate", *data, "--lang", language) == 1
    page = read_page(tmp_path / "report" / "index.html")
    source = (tmp_path / "report" / "index.html").read_text("utf-8")
    assert page.language == language
    assert {"정확도 (top-1)", "무작위 · 최빈 클래스", "클래스", "정밀도", "재현율", "제외한 행"} <= set(
        page.words["ko"]
    )
    assert {"accuracy (top-1)", "Classes", "precision", "Rows left out"} <= set(page.words["en"])
    # What a picture says is told in the language of the page.
    assert all(re.search("[가-힣]", alt) for alt in re.findall(r'alt="([^"]*)"', source)) == (language == "ko")
    assert any(heading in alt for alt in re.findall(r'alt="([^"]*)"', source))
    assert source.count("<table") == source.count('<table class="cards"') + source.count('<table class="pairs"')


def write_chat(path: Path, warm: float) -> Path:
    """A chat of six days, whose turns come with their emotions."""
    turns = (
        {
            "speaker": ("하린", "도윤")[at % 2],
            "text": f"말 {at}",
            "time": (START + timedelta(hours=5 * at)).isoformat(),
            "emotions": {"행복": share, "짜증": 1 - share},
        }
        for at, share in enumerate([warm] * 12 + [1 - warm] * 12)
    )
    path.write_text("\n".join(json.dumps(turn, ensure_ascii=False) for turn in turns), "utf-8")
    return path


@pytest.mark.parametrize(("language", "title"), [("ko", "대화 2개"), ("en", "2 conversations")])
def test_the_scores_and_their_index(run: Run, tmp_path: Path, language: str, title: str) -> None:
    broken = tmp_path / "broken.txt"
    broken.write_text("nobody speaks", "utf-8")
    chats = (write_chat(tmp_path / "a.jsonl", 0.9), write_chat(tmp_path / "b.jsonl", 0.3), broken)
    assert run("score", *chats, "--lang", language, "--by", "day", "--emotions", "given") == 1
    index = read_page(tmp_path / "report" / "index.html")
    assert (index.language, index.title) == (language, title)
    assert {"점수를 내지 못한 1개", "가장 크게 움직인 감정"} <= set(index.words["ko"])
    for number in (1, 2):
        page = read_page(tmp_path / "report" / f"conversation-{number}.html")
        assert page.language == language
        assert {"시간에 따라", "모든 말", "분위기가 바뀐 곳"} <= set(page.headings)
        # The scores by day stand in the page, as they were asked for.
        source = (tmp_path / "report" / f"conversation-{number}.html").read_text("utf-8")
        days = re.findall(r'<td class="nowrap">(2026-\d\d-\d\d)</td>', source)
        assert len(days) >= 4
        assert days == sorted(days)


def test_a_page_without_periods_has_no_table_of_them(run: Run, tmp_path: Path) -> None:
    assert run("score", write_chat(tmp_path / "a.jsonl", 0.9), "--emotions", "given") == 0
    assert "시간에 따라" not in read_page(tmp_path / "report" / "index.html").headings


def test_the_pages_of_a_large_sheet_are_few_and_light(tmp_path: Path) -> None:
    labels = tuple(ScoredLabel(f"word{at}", "흐뭇함(귀여움/예쁨)", 0.2, 0.1) for at in range(5))
    # Noise is the hardest to pack: no photograph needs more bytes.
    noise = ImageSource("noise.png", Image.effect_noise((640, 640), 90).convert("RGB"))
    places = [Dimensions(0.4 * math.sin(at), 0.3 * math.cos(7 * at)) for at in range(1201)]
    name = "a/rather/long/folder/of/pictures/{:05}.jpg"
    rows = [Prediction(name.format(at), labels, "f", dimensions=place) for at, place in enumerate(places)]
    config = SheetConfig(
        "words", korean_title="단어", glosses={label.key: "endearment" for label in labels}, language="ko"
    )
    write_contact_sheet(tmp_path, rows, {rows[-1].path: noise}, config)
    pages = sorted(tmp_path.glob("*.html"), key=lambda path: int(re.sub(r"\D", "", path.name) or 1))
    assert len(pages) == 7
    (thumbnail,) = re.findall(r'base64,([^"]+)"', pages[-1].read_text("utf-8"))
    words = max(path.stat().st_size for path in pages)
    assert words + PAGE_SIZE * len(thumbnail) < 2_000_000
    # A page links the first, the last and those near it, whatever their number.
    links = [re.findall(r'href="([^"]+)"', path.read_text("utf-8"))[: len(pages)] for path in pages]
    assert links[0][:3] == ["page-2.html", "page-3.html", "page-7.html"]
    assert "…" in pages[0].read_text("utf-8").split("</nav>")[0]
    assert read_page(pages[3]).title == "단어 · 4/7"
