"""What ``clip-emotion score`` may be told: parts of a chat, days, masks, scores in short, and outputs left alone."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from clip_emotion.cli.score import verb
from clip_emotion.label import Label
from clip_emotion.vocabulary import Vocabulary
from scoring.affection.scorer import AffectionScorer
from scoring.affection.weights import AffectionWeights
from scoring.config import ScoreConfig
from scoring.conversation import Turn
from scoring.emotions.base import Judgement
from tests.support.commands import Run, runner

VOCABULARY = Vocabulary("two", (Label("warm", {"ko": "따뜻함"}), Label("cold", {"ko": "차가움"})))


class LengthEmotion:
    """A TurnEmotion for which long texts are warm; it keeps what it was asked."""

    name = "length"
    vocabulary = VOCABULARY
    notices: tuple[str, ...] = ()

    def __init__(self) -> None:
        self.seen: list[str] = []

    def emotions(self, turns: Sequence[Turn]) -> Judgement:
        self.seen += [turn.text for turn in turns]
        warm = np.array([min(len(turn.text), 20) / 20 if turn.text else np.nan for turn in turns])
        return Judgement(np.stack([warm, 1 - warm], axis=1).reshape(-1, 2), {}, (self.name,))


@pytest.fixture
def emotion() -> LengthEmotion:
    return LengthEmotion()


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], emotion: LengthEmotion) -> Run:
    weights = AffectionWeights(VOCABULARY.keys, np.array([1.0, -1.0]), "by hand")
    monkeypatch.setattr(
        verb, "load_scorer", lambda choice, settings: AffectionScorer(emotion, weights, settings or ScoreConfig())
    )
    return runner(capfd, "score")


def write(path: Path, day: int, text: str = "안녕") -> Path:
    lines = [
        f"2026. 1. {day}. 오후 3:1{at}, {name} : {text} {at}\n" for at, name in enumerate(["하린", "도윤", "하린"])
    ]
    path.write_text("".join(lines), "utf-8")
    return path


@pytest.fixture
def parts(tmp_path: Path) -> list[Path]:
    return [write(tmp_path / f"chat-{number}.txt", 5 * number) for number in (1, 2)]


def rows_of(text: str) -> list[dict[str, object]]:
    return [json.loads(line) for line in text.splitlines()]


def test_parts_of_one_chat_are_offered_and_joined(run: Run, parts: list[Path]) -> None:
    code, out, err = run(*parts, "--format", "json")
    assert code == 0
    assert [one["name"] for one in json.loads(out)] == ["chat-1.txt", "chat-2.txt"]
    assert "chat-1.txt, chat-2.txt look like parts of one chat: --join scores them as one" in err
    code, out, err = run(*reversed(parts), "--join", "--format", "json")
    joined = json.loads(out)
    assert (code, joined["name"], len(joined["turns"])) == (0, "chat-2.txt + 1 more", 6)
    assert [turn["time"][:10] for turn in joined["turns"]] == ["2026-01-05"] * 3 + ["2026-01-10"] * 3
    assert "--join" not in err


def test_what_is_no_part_is_not_joined(run: Run, parts: list[Path], tmp_path: Path) -> None:
    other = tmp_path / "other.txt"
    other.write_text("A: 하나\nB: 둘\n", "utf-8")
    code, _, err = run(*parts, other, "--join")
    assert code == 2
    assert "other.txt has no speaker in common" in err
    code, out, err = run(*parts, tmp_path / "none.txt", "--join", "--summary", "csv")
    assert code == 1
    assert [row["conversation"] for row in csv.DictReader(io.StringIO(out))][-1] == "none.txt"


def test_days(run: Run, parts: list[Path]) -> None:
    code, out, _ = run(*parts, "--join", "--from", "2026-01-06", "--to", "2026. 1. 10.", "--format", "jsonl")
    assert (code, [row["index"] for row in rows_of(out)]) == (0, [4, 5, 6])
    assert run(parts[0], "--from", "2027-01-01")[0] == 1
    for wrong in (["--from", "yesterday"], ["--to", "soon"], ["--from", "2026-02-01", "--to", "2026-01-01"]):
        code, out, err = run(parts[0], *wrong)
        assert (code, out) == (2, "")
        assert "--from" in err or "--to" in err


def test_to_with_a_file_is_still_the_output_with_a_notice(run: Run, parts: list[Path], tmp_path: Path) -> None:
    code, out, err = run(parts[0], "--to", tmp_path / "scores.json")
    assert (code, out) == (0, "")
    assert f"for a file write --out {tmp_path / 'scores.json'}" in err
    assert len(json.loads((tmp_path / "scores.json").read_text("utf-8"))["turns"]) == 3


def test_scores_in_short_and_over_time(run: Run, parts: list[Path], tmp_path: Path) -> None:
    target = tmp_path / "short.csv"
    assert run(*parts, "--join", "--summary", "csv", "--by", "week", "--out", target)[0] == 0
    content = target.read_bytes()
    assert content.startswith(b"\xef\xbb\xbf")
    rows = list(csv.DictReader(io.StringIO(content.decode("utf-8-sig"), newline="")))
    assert [(row["speaker"], row["period"]) for row in rows] == [
        *[("", ""), ("하린", ""), ("도윤", "")],
        *[("", "2026-01-05")],
    ]
    _, table, _ = run(*parts, "--join", "--by", "day")
    assert "Scores over time" in table
    assert "2026-01-10" in table
    _, out, _ = run(*parts, "--join", "--by", "month", "--format", "json")
    assert [period["turns"] for period in json.loads(out)["periods"]] == [6]
    assert run(parts[0], "--summary", "csv", "--format", "json")[0] == 2


def test_probabilities_are_columns_only_where_asked(run: Run, parts: list[Path]) -> None:
    _, short, _ = run(parts[0], "--format", "csv")
    _, long, _ = run(parts[0], "--format", "csv", "--probabilities")
    assert "p_" not in short.splitlines()[0]
    assert "p_warm,p_cold" in long.splitlines()[0]
    assert run(parts[0], "--probabilities")[0] == 2


def test_masked_scores_are_the_scores_of_what_was_said(run: Run, emotion: LengthEmotion, tmp_path: Path) -> None:
    path = write(tmp_path / "하린과 도윤.txt", 5, text="하린아 도윤쓰 01012345678")
    _, plain, _ = run(path, "--format", "json")
    seen, emotion.seen = emotion.seen, []
    code, masked, err = run(path, "--format", "json", "--anonymise", "--report", tmp_path / "report")
    assert code == 0
    assert emotion.seen == seen
    as_said, as_shown = json.loads(plain), json.loads(masked)
    assert as_shown["conversation"] == as_said["conversation"]
    assert [turn["score"] for turn in as_shown["turns"]] == [turn["score"] for turn in as_said["turns"]]
    assert list(as_shown["speakers"]) == ["화자 1", "화자 2"]
    assert as_shown["turns"][0]["text"] == "화자 1아 화자 2쓰 [전화번호] 0"
    page = (tmp_path / "report" / "index.html").read_text("utf-8")
    for name in ("하린", "도윤"):
        assert name not in masked + err + page


def test_masked_speakers_are_asked_for_by_either_name(run: Run, parts: list[Path]) -> None:
    for name in ("화자 2", "도윤"):
        code, out, _ = run(parts[0], "--anonymise", "--speaker", name, "--format", "jsonl")
        assert (code, [row["speaker"] for row in rows_of(out)]) == (0, ["화자 2"])
    code, _, err = run(parts[0], "--anonymise", "--speaker", "누구")
    assert code == 2
    assert "It has: 화자 1, 화자 2" in err


def test_no_output_is_replaced_unasked(run: Run, emotion: LengthEmotion, parts: list[Path], tmp_path: Path) -> None:
    target, report = tmp_path / "scores.json", tmp_path / "report"
    outputs = ["--out", target, "--report", report]
    assert run(parts[0], *outputs)[0] == 0
    kept, emotion.seen = target.read_bytes(), []
    for call in (
        outputs,
        ["--out", target],
        ["--report", report],
        ["--out", parts[0], "--format", "json", "--overwrite"],
    ):
        code, out, err = run(parts[0], *call)
        assert (code, out, emotion.seen) == (2, "", [])
        assert "there already" in err or "holds a score report already" in err or "is an input" in err
    assert target.read_bytes() == kept
    assert run(parts[1], *outputs, "--overwrite")[0] == 0
    assert target.read_bytes() != kept
    foreign = tmp_path / "site"
    foreign.mkdir()
    (foreign / "index.html").write_text("mine", "utf-8")
    code, _, err = run(parts[0], "--report", foreign, "--overwrite")
    assert code == 2
    assert "files that clip-emotion did not make" in err
    assert (foreign / "index.html").read_text("utf-8") == "mine"
    sealed = tmp_path / "file" / "report"
    sealed.parent.write_text("x", "utf-8")
    assert run(parts[0], "--report", sealed)[0] == 2
    assert emotion.seen == ["안녕 0", "안녕 1", "안녕 2"]


def test_following_takes_turns_as_they_come(run: Run, parts: list[Path]) -> None:
    for option in (["--join"], ["--from", "2026-01-01"], ["--summary", "csv"], ["--by", "day"]):
        code, _, err = run(parts[0], "--follow", *option)
        assert code == 2
        assert "--follow" in err
