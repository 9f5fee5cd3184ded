"""What ``label`` says of images without a face, in its table, its summary and its sheet."""

from __future__ import annotations

import io
import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest
from rich.console import Console

from clip_emotion.cli.label_table import TableWriter
from clip_emotion.cli.main import main
from clip_emotion.data.faces.parts import NO_FACE
from clip_emotion.models import registry
from clip_emotion.retrieval.labelling.contact_sheet import SheetConfig, write_contact_sheet
from clip_emotion.types import FaceRegion, Prediction, ScoredLabel
from tests.support.fakes import FakeEncoder
from tests.support.pictures import plain, save, two_faces

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> Run:
    monkeypatch.setattr(registry, "load_encoder", lambda spec="mini", device="auto": FakeEncoder())
    monkeypatch.setenv("CLIP_EMOTION_CACHE", str(tmp_path / "cache"))
    two_faces(tmp_path / "in")
    save(plain("red", (200, 150)), tmp_path / "in" / "wall.png")

    def call(*arguments: object) -> tuple[int, str, str]:
        code = main(["label", str(tmp_path / "in"), "--labels", "red,blue", *map(str, arguments)])
        captured = capfd.readouterr()
        return code, captured.out, captured.err

    return call


def test_rows_say_what_was_labelled_and_how_sure_the_finder_is(run: Run) -> None:
    code, out, err = run("--format", "jsonl")
    faces = {Path(row["path"]).name: row["face"] for row in map(json.loads, out.splitlines())}
    assert code == 0
    assert faces.pop("wall.png") == {"index": None, "box": None, "confidence": None, "part": "whole", "note": NO_FACE}
    (found,) = faces.values()
    assert found["part"] == "face"
    assert 0.5 < found["confidence"] <= 1
    assert "1 of 2 without a face" in err


def test_required_faces_give_no_words_without_one(run: Run) -> None:
    code, out, err = run("--format", "jsonl", "--face", "require")
    (wall,) = [row for row in map(json.loads, out.splitlines()) if row["path"].endswith("wall.png")]
    assert code == 0
    assert (wall["labels"], wall["error"], wall["face"]["part"]) == ([], None, "none")
    assert "1 of 2 without a face" in err


def test_words_without_a_face_step_back_in_the_table() -> None:
    label = ScoredLabel("red", "red", 0.8, 0.4)
    writer = TableWriter(["red"], {})

    def shown(face: FaceRegion) -> str:
        written = io.StringIO()
        writer.console = Console(file=written, force_terminal=True, color_system="standard", width=100)
        writer.write(Prediction("a.png", (label,), "f", face))
        return written.getvalue()

    muted, sure = shown(FaceRegion(note=NO_FACE)), shown(FaceRegion(0, None, 0.97, "face"))
    share = "80.0%"
    assert "\x1b[2m" in muted[: muted.index(share)].rsplit("█", 1)[1]
    assert "\x1b[2m" not in sure[: sure.index(share)].rsplit("█", 1)[1]
    assert re.search(r"found with .*97.*%", sure)


def test_the_sheet_mutes_isolates_filters_and_sorts(tmp_path: Path) -> None:
    rows = [
        Prediction("cat.png", (ScoredLabel("joy", "שמחה", 0.8, 0.4),), "f", FaceRegion(note=NO_FACE)),
        Prediction("\u202egnp.exe", (ScoredLabel("joy", "joy", 0.6, 0.4),), "f", FaceRegion(0, None, 0.9, "face")),
        Prediction("gone.png", (), "f", error="gone"),
    ]
    page = write_contact_sheet(tmp_path, rows, {}, SheetConfig(title="joy, שמחה · 3 pictures")).read_text("utf-8")
    cards = re.findall(r"<article.*?</article>", page, re.S)
    assert ["faceless" in card.split(">")[0] for card in cards] == [True, False, False]
    assert "<bdi>\u202egnp.exe</bdi>" in page
    assert "<bdi>שמחה</bdi>" in page
    assert '<option data-kind="word" value="joy" data-en="joy" data-ko="joy">joy</option>' in page
    assert [re.findall(r'data-share="([^"]*)"', card)[0] for card in cards] == ["0.800000", "0.600000", "0"]
    assert "joy, שמחה" in re.findall(r"<h1>(.*?)</h1>", page)[0]
    assert not re.search(r'(src|href)="(?!data:)', page)


def test_a_card_of_each_face_shows_that_face(run: Run, tmp_path: Path) -> None:
    assert run("--face", "each", "--report", tmp_path / "sheet")[0] == 0
    page = (tmp_path / "sheet" / "index.html").read_text("utf-8")
    pictures = re.findall(r"base64,([^\"]+)\"", page)
    assert len(pictures) == 3
    assert len(set(pictures)) == 3
    assert "<title>red, blue · 2 pictures</title>" in page
