"""``clip-emotion score`` with the chats of every program: scored, reported, joined, and nobody's name shown."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Sequence
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np
import pytest

import scoring
from clip_emotion.cli.score import verb
from clip_emotion.label import Label
from clip_emotion.vocabulary import Vocabulary
from scoring.affection.scorer import AffectionScorer
from scoring.affection.weights import AffectionWeights
from scoring.config import ScoreConfig
from scoring.conversation import Turn
from scoring.emotions.base import Judgement
from tests.support.chat_writers import WRITERS, Said, meta, telegram_all
from tests.support.commands import Run, runner

VOCABULARY = Vocabulary("two", (Label("warm", {"ko": "따뜻함"}), Label("cold", {"ko": "차가움"})))
NAMES = ("김민수", "나")
START = datetime(2026, 1, 25, 9, 5)
TALK = [Said(NAMES[at % 2], f"말{at} 민수야", START + timedelta(hours=7 * at)) for at in range(9)]


class SteadyEmotion:
    """A TurnEmotion for which all texts are warm."""

    name = "steady"
    vocabulary = VOCABULARY
    notices: tuple[str, ...] = ()

    def emotions(self, turns: Sequence[Turn]) -> Judgement:
        warm = np.array([0.8 if turn.text else np.nan for turn in turns])
        return Judgement(np.stack([warm, 1 - warm], axis=1).reshape(-1, 2), {}, (self.name,))


@pytest.fixture
def scorer() -> AffectionScorer:
    weights = AffectionWeights(VOCABULARY.keys, np.array([1.0, -1.0]), "by hand")
    return AffectionScorer(SteadyEmotion(), weights, ScoreConfig())


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], scorer: AffectionScorer) -> Run:
    monkeypatch.setattr(verb, "load_scorer", lambda choice, settings: scorer)
    return runner(capfd, "score")


def suffix_of(layout: str) -> str:
    return {"sms-backup": ".xml", "discord-csv": ".csv"}.get(layout, ".json" if "{" in sample(layout)[:1] else ".txt")


def sample(layout: str) -> str:
    return next(write(TALK) for own, _, write in WRITERS.values() if own == layout)


LAYOUTS = sorted({layout for layout, _, _ in WRITERS.values()})


@pytest.mark.parametrize("layout", LAYOUTS)
def test_the_front_door_reads_every_program(layout: str, tmp_path: Path, scorer: AffectionScorer) -> None:
    path = tmp_path / f"chat{suffix_of(layout)}"
    path.write_text(sample(layout), "utf-8")
    (score,) = scoring.score_file(path, scorer)
    assert (score.conversation.turns, sorted(score.speakers), score.layout) == (9, sorted(NAMES), layout)
    archive = tmp_path / "chat.zip"
    with zipfile.ZipFile(archive, "w") as zipped:
        zipped.write(path, path.name)
    (again,) = scoring.score_file(archive, scorer)
    assert [turn.turn for turn in again.turns] == [turn.turn for turn in score.turns]


def test_a_report_of_all_programs_shows_nobodys_name(run: Run, tmp_path: Path) -> None:
    folder = tmp_path / "chats"
    folder.mkdir()
    for layout in LAYOUTS:
        (folder / f"{layout}{suffix_of(layout)}").write_text(sample(layout), "utf-8")
    (folder / "all.json").write_text(telegram_all(TALK).replace('"Chat"', '"Minsu of Seoul"'), "utf-8")
    with zipfile.ZipFile(folder / "instagram.zip", "w") as archive:
        archive.writestr("inbox/minsu0105_1/message_1.json", meta(TALK))
        archive.writestr("inbox/seoul0105_2/message_1.json", meta(TALK[:2]))
    code, out, err = run(folder, "--anonymise", "--format", "json")
    assert code == 0
    assert len(json.loads(out)) == len(LAYOUTS) + 3
    archive_again, report = folder / "instagram.zip", tmp_path / "report"
    assert run(archive_again, "--anonymise", "--report", report)[0] == 0
    pages = [path.read_text("utf-8") for path in report.rglob("*.html")]
    assert len(pages) == 3
    shown = "".join([out, err, *pages])
    for name in ("민수", "minsu", "Minsu", "seoul"):
        assert name not in shown
    assert "화자 1" in shown


def test_parts_that_overlap_are_joined(run: Run, tmp_path: Path) -> None:
    write = WRITERS["WhatsApp Android, British"][2]
    for number, part in enumerate((TALK[:6], TALK[3:]), start=1):
        (tmp_path / f"c-{number}.txt").write_text(write(part), "utf-8")
    code, out, _ = run(tmp_path / "c-1.txt", tmp_path / "c-2.txt", "--join", "--format", "json")
    assert code == 0
    assert [turn["text"] for turn in json.loads(out)["turns"]] == [said.text for said in TALK]


def test_dates_that_tell_nothing_are_asked_for(run: Run, tmp_path: Path) -> None:
    path = tmp_path / "chat.txt"
    path.write_text("3/4/26, 15:12 - A: x\n3/5/26, 15:13 - B: y\n", "utf-8")
    code, out, err = run(path, "--format", "json")
    assert (code, out) == (1, "")
    assert "3/4/26 may be 2026-04-03 or 2026-03-04" in err
    code, out, _ = run(path, "--format", "json", "--date-order", "mdy")
    assert (code, json.loads(out)["turns"][1]["time"]) == (0, "2026-03-05T15:13:00")
    assert run(path, "--date-order", "myd")[0] == 2


def test_documents_are_not_followed(run: Run, tmp_path: Path) -> None:
    path = tmp_path / "result.json"
    path.write_text(telegram_all(TALK), "utf-8")
    for more in ([], ["--layout", "telegram"]):
        code, _, err = run(path, "--follow", *more)
        assert code != 0
        assert "leave out --follow" in err
