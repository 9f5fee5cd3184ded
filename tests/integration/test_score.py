"""``clip-emotion score`` as a process of its own: a followed file that grows, Ctrl-C, and the sample conversations."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent.parent
SCORE = [sys.executable, "-c", "from clip_emotion.cli.main import run; run()", "score"]
WAIT = 180.0


def wait_for(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + WAIT
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)


@pytest.mark.skipif(os.name == "nt", reason="Windows has no SIGINT for one child process")
def test_a_growing_file_is_followed_until_ctrl_c(tmp_path: Path) -> None:
    chat, out, err = tmp_path / "chat.txt", tmp_path / "out.jsonl", tmp_path / "err.txt"
    chat.write_text("하린: 오늘 너무 행복해\n", "utf-8")

    def rows() -> list[dict[str, object]]:
        return [json.loads(line) for line in out.read_text("utf-8").splitlines()]

    environment = {**os.environ, "CLIP_EMOTION_CACHE": str(tmp_path / "cache"), "PYTHONPATH": str(ROOT)}
    command = [*SCORE, str(chat), "--follow", "--format", "jsonl"]
    with out.open("wb") as stdout, err.open("wb") as stderr:
        process = subprocess.Popen(command, stdout=stdout, stderr=stderr, env=environment)
        try:
            # The message comes though nothing follows it: after a quiet time it counts as done.
            wait_for(lambda: len(rows()) == 1 or process.poll() is not None)
            with chat.open("a", encoding="utf-8") as file:
                file.write("도윤: 짜증나고 화가 나\n하린: 미안")
            wait_for(lambda: len(rows()) == 2 or process.poll() is not None)
            process.send_signal(signal.SIGINT)
            code = process.wait(WAIT)
        finally:
            process.kill()
    said = err.read_text("utf-8")
    assert code == 0, said
    assert [row["speaker"] for row in rows()] == ["하린", "도윤"]
    assert "2 turns scored: affection " in said
    assert "Traceback" not in said


def test_the_samples_are_scored_as_their_stories_go(tmp_path: Path) -> None:
    samples = [str(ROOT / "docs" / "examples" / name) for name in ("kakao_sample.txt", "cold_sample.txt")]
    environment = {**os.environ, "CLIP_EMOTION_CACHE": str(tmp_path), "PYTHONPATH": str(ROOT)}
    command = [*SCORE, *samples, "--format", "json", "--report", str(tmp_path / "report")]
    done = subprocess.run(command, capture_output=True, text=True, encoding="utf-8", env=environment, check=False)
    assert done.returncode == 0, done.stderr
    warm, cold = json.loads(done.stdout)
    assert warm["conversation"]["score"] > cold["conversation"]["score"]
    assert cold["shifts"][0]["after"] < cold["shifts"][0]["before"]
    assert (tmp_path / "report" / "index.html").is_file()
