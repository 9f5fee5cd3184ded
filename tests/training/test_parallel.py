"""Several processes take the steps of one, and Ray Train runs them."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from clip_emotion.cli.main import main
from clip_emotion.config import validate
from clip_emotion.errors import MissingExtraError, UsageError
from clip_emotion.evaluation.measurement import Measurement, Measurements
from clip_emotion.models.emotion_clip.checkpoint import load_checkpoint, read_card
from clip_emotion.training.finetune.config import FinetuneConfig
from clip_emotion.training.finetune.stage import open_model
from clip_emotion.training.loop.objective import Progress
from clip_emotion.training.parallel.process_group import ALONE, ProcessGroup
from clip_emotion.training.registry import plan
from clip_emotion.training.stage import Outcome, RunOptions
from clip_emotion.vocabulary import Vocabulary
from tests.support.processes import start
from tests.support.runs import finetune, from_the_first_step
from tests.support.team_work import meet, one_step, talk
from tests.support.tuning_world import run_values, write_config, write_world

STEPS = 20
EVERYTHING: dict[str, Any] = {
    "freeze": "none",
    "model.text_head": {"depth": 1, "dropout": 0.0},
    "losses": {"contrast": 1.0, "classify": 0.5, "supcon": 0.5, "label_smoothing": 0.1, "class_weights": "inverse"},
    "distillation": {"words": 0.3, "images": 0.3, "batch": 8},
    "transform": {"rotate": 5, "flip": 0.5, "erase": 0.3},
    "unfreeze_at": 0.3,
    "fit.optimizer": "sgd",
    "fit.learning_rate": 0.02,
    "fit.steps": STEPS,
    "fit.accumulate": 2,
    "fit.clip_norm": 1.0,
    "fit.evaluate_every": 10,
    "fit.early_stop": {"metric": "cross_entropy", "mode": "min"},
    "fit.select": "best",
}


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_world(tmp_path_factory.mktemp("world"))


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, Any]]:
    """What each of two processes found."""
    folder = tmp_path_factory.mktemp("pair")
    places = [folder / str(rank) for rank in range(2)]
    for place in places:
        place.mkdir()
    workers = [start(meet, folder, rank, folder=place) for rank, place in enumerate(places)]
    assert [worker.wait(180) for worker in workers] == [0, 0]
    return [torch.load(folder / f"found_{rank}.pt") for rank in range(2)]


@pytest.mark.real_data
def test_two_processes_have_the_gradients_and_statistics_of_one(pair: list[dict[str, Any]]) -> None:
    alone = one_step(ALONE)
    assert float(alone["gradient of 0.weight"].abs().max()) > 1e-3
    assert float(alone["gradient of scale"].abs()) > 1e-3
    assert "gradient of unused" not in alone
    for found in pair:
        assert found["step"].keys() == alone.keys()
        for name, wanted in alone.items():
            torch.testing.assert_close(found["step"][name], wanted, atol=1e-6, rtol=1e-4)


def test_what_members_tell_each_other(pair: list[dict[str, Any]]) -> None:
    for rank, found in enumerate(pair):
        said = found["talk"]
        assert said["told"] == {"from": 0}
        assert said["order"] == rank
        assert said["rows"].tolist() == [[0.0] * 3] * 2 + [[1.0] * 3] * 2
        assert (said["only the second"], said["nobody"], said["asked"]) == (True, False, True)
        assert found["norms"] == {"shared": True, "eval": True}
    assert pair[0]["talk"]["seed"] == 0, "the main process draws what a single process draws"
    assert pair[1]["talk"]["seed"] != 0
    alone = talk(ALONE)
    assert alone["rows"].shape == (2, 3)  # type: ignore[attr-defined]
    assert (alone["only the second"], alone["nobody"], alone["asked"]) == (False, False, True)


@pytest.mark.real_data
def test_two_workers_of_ray_train_as_one_process_and_go_on_after_ctrl_c(
    world: Path, tmp_path: Path, ray_here: None
) -> None:
    from clip_emotion.training.parallel.ray_train import Spread, train_distributed

    losses: list[float] = []
    values = run_values(world, out=str(tmp_path / "alone"), **EVERYTHING)
    metrics = finetune(values, lambda told: losses.append(told.loss))

    told: list[Progress] = []

    def interrupt(progress: Progress) -> None:
        told.append(progress)
        if len(told) == 1:
            os.kill(os.getpid(), signal.SIGINT)

    config = write_config(tmp_path / "run.yaml", run_values(world, out=str(tmp_path / "pair"), **EVERYTHING))
    two = Spread(workers=2, gpus=0, threads=1)
    with pytest.raises(KeyboardInterrupt):
        train_distributed(plan(config), from_the_first_step(interrupt), False, two)
    assert 1 <= told[-1].step < STEPS
    assert not (tmp_path / "pair" / "model.safetensors").exists()
    again = train_distributed(plan(config), from_the_first_step(told.append), True, two)
    assert dict(again.metrics) == pytest.approx(metrics, abs=1e-3)
    assert again.tables
    assert [progress.step for progress in told] == list(range(1, STEPS + 1))
    assert [progress.loss for progress in told] == pytest.approx(losses, abs=1e-3)
    assert read_card(tmp_path / "pair").metrics == pytest.approx(metrics, abs=1e-3)
    alone, together = (load_checkpoint(tmp_path / name).state_dict() for name in ("alone", "pair"))
    before = before_training(values)
    assert alone.keys() == together.keys() == before.keys()
    moved = {name for name, tensor in alone.items() if not torch.allclose(tensor, before[name])}
    assert {name.split(".")[1] for name in moved if name.startswith("backbone.")} == {"image_tower", "text_tower"}
    # Rounding apart, and what a ReLU that it switches makes of it: without shared batch norms this is above 0.003.
    assert distance(together, alone) < 0.001 * distance(before, alone)


def distance(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor]) -> float:
    """How far apart the weights of two models are, batch norm's statistics left out."""
    learned = [name for name in one if ".running_" not in name and one[name].is_floating_point()]
    return float(torch.stack([(one[name] - other[name]).square().sum() for name in learned]).sum().sqrt())


def before_training(values: dict[str, Any]) -> dict[str, torch.Tensor]:
    return open_model(validate(FinetuneConfig, values, "test"), Vocabulary.load("basic8"), "test").state_dict()


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--workers", "2"], "add --engine ray"),
        (["--engine", "spark"], "Unknown engine 'spark': choose one of local, ray"),
        (["--engine", "ray", "--workers", "3", "--gpus", "0"], "cannot be shared equally by 3 workers"),
        (["--engine", "ray", "--gpus", "0", "device=cuda"], "give --gpus 1 or device=cpu"),
        (["--engine", "ray", "--gpus", "1", "device=cpu"], "give --gpus 0 or device=auto"),
        (["--engine", "ray", "batch=many"], "batch: Input should be a valid integer"),
    ],
)
def test_what_cannot_be_spread_is_told_before_ray_starts(
    world: Path, tmp_path: Path, options: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    config = write_config(tmp_path / "run.yaml", run_values(world))
    assert main(["train", str(config), *options]) == 2
    told = capsys.readouterr().err
    assert said in told
    assert "Traceback" not in told


def test_only_fine_tuning_is_spread(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    shipped = Path(__file__).resolve().parents[2] / "configs" / "train" / "mini_1_text.yaml"
    assert main(["train", str(shipped), "--engine", "ray", f"out={tmp_path / 'out'}"]) == 2
    assert "only emotion_clip runs in several processes" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_without_ray_the_install_line_is_told(
    world: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delitem(sys.modules, "clip_emotion.training.parallel.ray_train", raising=False)
    monkeypatch.setitem(sys.modules, "ray", None)
    config = write_config(tmp_path / "run.yaml", run_values(world))
    assert main(["train", str(config), "--engine", "ray", "--workers", "2"]) == 1
    assert "pip install 'clip-emotion[tune]'" in capsys.readouterr().err


class Answer:
    """A method of an actor that answers at once."""

    def __init__(self, method: Any) -> None:
        self.remote = method


class Letters:
    """A mailbox in this process, called as an actor is."""

    def __init__(self, box: Any) -> None:
        self.box = box

    def __getattr__(self, name: str) -> Answer:
        return Answer(getattr(self.box, name))


@pytest.mark.parametrize(
    ("raised", "faults", "interrupted"),
    [
        (None, [], False),
        (KeyboardInterrupt(), [], True),
        (UsageError("Use another folder."), [(2, "Use another folder.")], False),
        (MissingExtraError("LoRA", "peft", "lora"), [(1, str(MissingExtraError("LoRA", "peft", "lora")))], False),
        (RuntimeError("out of memory"), [(None, "RuntimeError: out of memory")], False),
    ],
)
def test_what_a_worker_tells_at_its_end(
    raised: BaseException | None,
    faults: list[tuple[int | None, str]],
    interrupted: bool,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    distributed = pytest.importorskip("clip_emotion.training.parallel.ray_train")
    seen: list[ProcessGroup] = []

    measured = Measurements([Measurement("accuracy", 0.5)])

    def train(config: Any, options: RunOptions) -> Outcome:
        seen.append(options.processes)
        options.report(Progress(1, 2, 0.5, 1.0, measured))
        if raised:
            raise raised
        return Outcome(measured, tmp_path, ("Kept the last.",))

    context = SimpleNamespace(get_world_rank=lambda: 0, get_world_size=lambda: 2)
    torch_module = SimpleNamespace(get_device=lambda: torch.device("cpu"))
    fake = SimpleNamespace(train=SimpleNamespace(get_context=lambda: context, torch=torch_module), get=lambda x: x)
    fake.wait = lambda refs, timeout: (refs, [])
    monkeypatch.setattr(distributed, "ray", fake)
    monkeypatch.setattr(distributed, "train_emotion_clip", train)
    monkeypatch.chdir(tmp_path)
    box = distributed.ProgressActor()
    job = {"actor": Letters(box), "home": str(tmp_path), "threads": torch.get_num_threads()}
    job.update(config=None, source="test", resume=False)
    if raised is None or interrupted:
        distributed.work(job)
    else:
        with pytest.raises(type(raised)):
            distributed.work(job)
    (told,) = box.take()
    assert Progress(**{**told, "metrics": Measurements.read(told["metrics"])}) == Progress(1, 2, 0.5, 1.0, measured)
    assert box.take() == []
    outcome, *rest = box.result()
    assert rest == [faults, interrupted]
    assert not outcome if raised else Outcome.read(outcome) == Outcome(measured, tmp_path, ("Kept the last.",))
    assert (seen[0].rank, seen[0].size, seen[0].asked()) == (0, 2, False)
    box.stop()
    seen[0].asked()
    assert seen[0].asked()


def test_the_worker_that_knows_the_fault_is_the_one_that_is_heard() -> None:
    distributed = pytest.importorskip("clip_emotion.training.parallel.ray_train")
    lost = (None, "RuntimeError: Connection closed by peer")
    error = distributed._fault([lost, (1, "The data set is missing: fetch it.")])
    assert str(error) == "The data set is missing: fetch it."
    assert error.exit_code == 1
    assert isinstance(distributed._fault([(2, "x"), lost]), UsageError)
    assert str(distributed._fault([lost])) == lost[1]
    assert "A worker died" in str(distributed._fault([]))
