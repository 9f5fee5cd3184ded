"""``clip-emotion score``: a followed file that grows, Ctrl-C, and the sample conversations."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from clip_emotion.cli.main import main
from tests.support.processes import run_command, start

ROOT = Path(__file__).resolve().parent.parent.parent
WAIT = 180.0


def wait_for(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + WAIT
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)


@pytest.mark.skipif(os.name == "nt", reason="Windows has no SIGINT for one child process")
def test_a_growing_file_is_followed_until_ctrl_c(tmp_path: Path) -> None:
    chat = tmp_path / "chat.txt"
    chat.write_text("하린: 오늘 너무 행복해\n", "utf-8")
    arguments = ["score", str(chat), "--follow", "--format", "jsonl"]
    environment = {"CLIP_EMOTION_CACHE": str(tmp_path / "cache")}
    following = start(run_command, arguments, folder=tmp_path, environment=environment)

    def rows() -> list[dict[str, object]]:
        return [json.loads(line) for line in following.out.read_text("utf-8").splitlines()]

    try:
        # The message comes though nothing follows it: after a quiet time it counts as done.
        wait_for(lambda: len(rows()) == 1 or not following.process.is_alive())
        with chat.open("a", encoding="utf-8") as file:
            file.write("도윤: 짜증나고 화가 나\n하린: 미안")
        wait_for(lambda: len(rows()) == 2 or not following.process.is_alive())
        following.interrupt()
        code = following.wait(WAIT)
    finally:
        following.kill()
    said = following.err.read_text("utf-8")
    assert code == 0, said
    assert [row["speaker"] for row in rows()] == ["하린", "도윤"]
    assert "2 turns scored: affection " in said
    assert "Traceback" not in said


def test_the_samples_are_scored_as_their_stories_go(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("CLIP_EMOTION_CACHE", str(tmp_path))
    samples = [str(ROOT / "docs" / "examples" / name) for name in ("kakao_sample.txt", "cold_sample.txt")]
    assert main(["score", *samples, "--format", "json", "--report", str(tmp_path / "report")]) == 0
    warm, cold = json.loads(capsys.readouterr().out)
    assert warm["conversation"]["score"] > cold["conversation"]["score"]
    assert cold["shifts"][0]["after"] < cold["shifts"][0]["before"]
    assert (tmp_path / "report" / "index.html").is_file()
