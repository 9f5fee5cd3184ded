"""The datasets library's own progress bars stay off stderr in every command."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import datasets
import pytest

from clip_emotion.cli.main import BARS_VARIABLE, main
from clip_emotion.config import validate
from clip_emotion.training.finetune.config import FinetuneConfig
from clip_emotion.training.finetune.data import load_images
from clip_emotion.vocabulary import Vocabulary
from tests.support.tuning_world import run_values, write_config, write_world

BAR = "Flattening the indices"
FLATTEN = """
from clip_emotion.cli.main import main
assert main(["--version"]) == 0
from datasets import Dataset
Dataset.from_dict({"a": list(range(9))}).select([3, 1]).flatten_indices()
"""


@pytest.mark.parametrize("wish", [None, "0"], ids=["by default", "where the user wants them"])
def test_a_command_turns_them_off_before_the_library_is_there(wish: str | None) -> None:
    environment = {name: value for name, value in os.environ.items() if name != BARS_VARIABLE}
    if wish is not None:
        environment[BARS_VARIABLE] = wish
    run = subprocess.run([sys.executable, "-c", FLATTEN], env=environment, capture_output=True, text=True, check=True)
    assert (BAR in run.stderr) == (wish == "0")


def test_fine_tuning_shows_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv(BARS_VARIABLE, raising=False)
    datasets.enable_progress_bars()
    values = run_values(write_world(tmp_path / "world"), **{"data.votes": {"path": "ferplus_votes.csv"}})
    load_images(validate(FinetuneConfig, values, "test").data, Vocabulary.load("basic8"))
    assert BAR in capsys.readouterr().err, "else this test would see nothing"
    assert main(["train", "--check", str(write_config(tmp_path / "run.yaml", values))]) == 0
    assert BAR not in capsys.readouterr().err
