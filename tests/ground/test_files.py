"""Paths as users write them."""

from __future__ import annotations

from pathlib import Path

import pytest

from clip_emotion.cli.main import main
from clip_emotion.errors import UsageError
from clip_emotion.files import expanded
from clip_emotion.resources import cache_dir

NOBODY = "~no-such-user/x"


def test_homes_are_expanded(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    assert expanded("~/x") == expanded(Path("~/x")) == tmp_path / "x"
    assert expanded("a/~b") == Path("a/~b")


def test_the_home_of_nobody_is_told() -> None:
    with pytest.raises(UsageError, match="~no-such-user/x begins with the home of a user that is not there"):
        expanded(NOBODY)


@pytest.mark.parametrize(
    "command",
    [
        ["evaluate", "--vocab", "basic7", "--data", NOBODY],
        ["data", "prepare", "fer2013", "--from", NOBODY],
        ["data", "merge", NOBODY, "--out", "merged"],
        ["label", "x.png", "--model", NOBODY],
        ["label", "x.png", "--boxes", NOBODY],
        ["label", "x.png", "--finder", f"yunet:{NOBODY}"],
        ["weights", "--embedder", f"mini:{NOBODY}"],
        ["blend", "mini", NOBODY, "--data", "x", "--out", "blended"],
    ],
)
def test_no_command_ends_in_a_traceback_for_it(
    command: list[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("CLIP_EMOTION_CACHE", str(tmp_path / "cache"))
    assert main(command) in (1, 2)
    err = capsys.readouterr().err
    assert "Error: " in err
    assert "RuntimeError" not in err
    assert "Traceback" not in err


@pytest.mark.parametrize("variable", ["CLIP_EMOTION_CACHE", "XDG_CACHE_HOME"])
def test_a_cache_of_nobody_is_told(variable: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CLIP_EMOTION_CACHE", raising=False)
    monkeypatch.setenv(variable, NOBODY)
    with pytest.raises(UsageError, match="set CLIP_EMOTION_CACHE to a folder"):
        cache_dir()
