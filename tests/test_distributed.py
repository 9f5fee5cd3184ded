"""Several processes take the steps of one, and Ray Train runs them."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from team_work import gradients
from tuning_world import run_values, write_world

from clip_emotion.models.checkpoint import load_checkpoint
from clip_emotion.training.finetune import train_emotion_clip
from clip_emotion.training.team import ALONE

EVERYTHING: dict[str, Any] = {
    "freeze": "none",
    "model.text_head": {"depth": 1, "dropout": 0.0},
    "losses": {"contrast": 1.0, "classify": 0.5, "supcon": 0.5, "label_smoothing": 0.1, "class_weights": "inverse"},
    "keep": {"words": 0.3, "pictures": 0.3, "batch": 8},
    "transform": {"rotate": 5, "flip": 0.5, "erase": 0.3},
    "fit.optimizer": "sgd",
    "fit.learning_rate": 0.02,
    "fit.clip_norm": 1.0,
    "fit.accumulate": 2,
    "unfreeze_at": 0.3,
    "fit.early_stop": {"metric": "accuracy"},
    "fit.keep": "best",
}


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_world(tmp_path_factory.mktemp("world"))


@pytest.fixture(scope="module")
def pair(world: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Any], dict[str, Any]]:
    """What two processes found: gradients, a whole run, and one that is stopped and goes on."""
    folder = tmp_path_factory.mktemp("pair")
    jobs = {
        "whole": {"values": run_values(world, out=str(folder / "whole"), **EVERYTHING)},
        "cut": {"values": run_values(world, out=str(folder / "cut"), **EVERYTHING), "die": 5},
        "rest": {"values": run_values(world, out=str(folder / "cut"), **EVERYTHING), "resume": True},
    }
    (folder / "jobs.yaml").write_text(yaml.safe_dump(jobs), encoding="utf-8")
    script = str(Path(__file__).parent / "team_work.py")
    workers = [subprocess.Popen([sys.executable, script, str(folder), str(rank)]) for rank in range(2)]
    try:
        assert [worker.wait(120) for worker in workers] == [0, 0]
    finally:
        for worker in workers:
            worker.kill()
    first, second = (torch.load(folder / f"found_{rank}.pt") for rank in range(2))
    return folder, first, second


def test_two_processes_have_the_gradients_and_statistics_of_one(pair: tuple[Path, dict[str, Any], Any]) -> None:
    alone = gradients(ALONE)
    assert float(alone["grad 0.weight"].abs().max()) > 1e-3
    assert "grad unused" not in alone
    for found in pair[1:]:
        assert found["gradients"].keys() == alone.keys()
        for name, wanted in alone.items():
            torch.testing.assert_close(found["gradients"][name], wanted, atol=1e-5, rtol=1e-4, msg=name)


def test_two_processes_train_as_one(world: Path, pair: tuple[Path, dict[str, Any], Any]) -> None:
    folder, first, second = pair
    losses: list[float] = []
    values = run_values(world, out=str(folder / "alone"), **EVERYTHING)
    figures = train_emotion_clip(values, "test", lambda told: losses.append(told.loss), False)
    print(figures, first["whole"], second["whole"])
    assert first["whole"]["losses"] == pytest.approx(losses, abs=1e-4)
    assert first["whole"]["figures"] == pytest.approx(figures, abs=1e-4)
    one, two = (load_checkpoint(folder / name).state_dict() for name in ("alone", "whole"))
    assert one.keys() == two.keys()
    for name, wanted in one.items():
        print(name, float((two[name].float() - wanted.float()).abs().max()))
