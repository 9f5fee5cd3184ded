"""The training loop's options: accumulation, fp16, early stop, best model, phases, curves; also after a hard kill."""

from __future__ import annotations

import json
import os
import signal
import struct
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors import safe_open
from tensorboardX.proto.event_pb2 import Event
from torch import Tensor, nn

from clip_emotion.config import validate
from clip_emotion.errors import ModelError, UsageError
from clip_emotion.evaluation.measurement import Measurement, Measurements
from clip_emotion.training.loop import state as run_module
from clip_emotion.training.loop.config import EarlyStopConfig, FitConfig
from clip_emotion.training.loop.fit import fit
from clip_emotion.training.loop.objective import Progress, RunResult
from tests.support.processes import start


class Fitted:
    """A linear model on random batches of its own, whose validation figure is told in advance or measured."""

    def __init__(self, told: list[float] | None = None, kill_at: int | None = None, dropout: float = 0.0) -> None:
        torch.manual_seed(3)
        self.model = nn.Sequential(nn.Linear(4, 6), nn.Tanh(), nn.Dropout(dropout), nn.Linear(6, 1))
        self.told, self.kill_at = told, kill_at
        self.steps: list[tuple[int, float]] = []

    def loss(self, step: int, progress: float) -> Tensor:
        self.steps.append((step, progress))
        if step == self.kill_at:
            os.kill(os.getpid(), signal.SIGKILL)
        return self.error(inputs_of(step))

    def error(self, inputs: Tensor) -> Tensor:
        return ((self.model(inputs) - inputs.sum(dim=1, keepdim=True)) ** 2).mean()

    def validate(self, model: nn.Module) -> Measurements:
        with torch.inference_mode():
            error = float((model(torch.ones(1, 4)) - 4).abs())
        accuracy = self.told.pop(0) if self.told and self.steps else 1 / (1 + error)
        return Measurements([Measurement("error", error), Measurement("accuracy", accuracy)])


class Everything(Fitted):
    """An objective with every optional part: rates, phases, a batch size and answers."""

    batch_size = 5

    def lr_scale(self, name: str) -> float:
        return 0.5 if name.startswith("0.") else 1.0

    def trainable(self, name: str, progress: float) -> bool:
        return progress >= 0.5 or not name.startswith("0.")

    @property
    def batch_accuracy(self) -> float | None:
        return None if not self.steps else (self.steps[-1][0] % 4) / 4


def inputs_of(step: int) -> Tensor:
    return torch.randn(5, 4, generator=torch.Generator().manual_seed(step))


def settings(**changes: object) -> FitConfig:
    values = {"steps": 12, "learning_rate": 0.02, "evaluate_every": 2, "save_every": 5, "log_every": 4}
    return FitConfig.model_validate({**values, "precision": "fp32", **changes})


def silent(progress: Progress) -> None:
    pass


def stopping(metric: str = "accuracy", **changes: object) -> dict[str, object]:
    return {"metric": metric, **changes}


def assert_same(first: nn.Module, second: nn.Module) -> None:
    for (name, mine), theirs in zip(first.state_dict().items(), second.state_dict().values(), strict=True):
        assert torch.equal(mine, theirs), name


def lines_of(folder: Path) -> list[dict[str, float]]:
    lines = [json.loads(line) for line in (folder / "metrics.jsonl").read_text("utf-8").splitlines()]
    return [{name: value for name, value in line.items() if name != "seconds"} for line in lines]


def best_of(folder: Path) -> tuple[int, dict[str, float], dict[str, Tensor]]:
    with safe_open(str(folder / "best.safetensors"), "pt") as file:
        header = file.metadata()
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - it is no dict
        return int(header["step"]), dict(Measurements.read(json.loads(header["metrics"]))), tensors


# -- accumulation ------------------------------------------------------------------------------------------------------


def test_accumulated_batches_are_one_large_batch(tmp_path: Path) -> None:
    class Large(Fitted):
        def loss(self, step: int, progress: float) -> Tensor:
            return self.error(torch.cat([inputs_of(3 * step + part) for part in range(3)]))

    small, large = Fitted(), Large()
    fit(small, settings(accumulate=3, clip_norm=0.5), tmp_path / "small", silent)
    fit(large, settings(clip_norm=0.5), tmp_path / "large", silent)
    assert [step for step, _ in small.steps] == list(range(36))
    assert [progress for _, progress in small.steps[:7]] == [0, 0, 0, 1 / 12, 1 / 12, 1 / 12, 2 / 12]
    for mine, theirs in zip(small.model.parameters(), large.model.parameters(), strict=True):
        torch.testing.assert_close(mine, theirs, rtol=1e-4, atol=1e-6)
    for mine, theirs in zip(lines_of(tmp_path / "small"), lines_of(tmp_path / "large"), strict=True):
        if not mine["step"]:
            continue
        assert mine["loss"] == pytest.approx(theirs["loss"], rel=1e-3)


# -- early stop and the best model -------------------------------------------------------------------------------------


def test_the_best_model_is_kept_and_returned(tmp_path: Path) -> None:
    told = [0.2, 0.5, 0.9, 0.4, 0.9, 0.3]
    best = fit(Fitted(told[:]), settings(early_stop=stopping(), select="best"), tmp_path / "best", silent)
    last = fit(Fitted(told[:]), settings(early_stop=stopping()), tmp_path / "last", silent)
    assert (best.best_step, last.best_step) == (6, 6)
    assert best.metrics["accuracy"] == 0.9
    assert last.metrics["accuracy"] == 0.3
    seen = []  # the averaged weights after six steps, as a plain run saves them

    def peek(progress: Progress) -> None:
        if progress.step == 6:
            seen.append(torch.load(tmp_path / "plain" / "checkpoint.pt", weights_only=True)["average"])

    fit(Fitted(), settings(save_every=1, log_every=1), tmp_path / "plain", peek)
    (stored,) = seen
    step, figures, tensors = best_of(tmp_path / "best")
    assert step == 6
    assert figures == best.metrics
    for name, tensor in best.model.state_dict().items():
        assert torch.equal(tensor, stored[name])
        assert torch.equal(tensor, tensors[name])
    assert not torch.equal(best.model.state_dict()["0.weight"], last.model.state_dict()["0.weight"])
    assert not list(tmp_path.rglob("*.tmp"))


@pytest.mark.parametrize(
    ("mode", "told", "steps", "best_step"),
    [
        ("max", [0.1, 0.4, 0.3, 0.4, 0.9, 0.9], 8, 4),
        ("min", [0.5, 0.4, 0.3, 0.2, 0.1, 0.0], 12, 12),
        ("min", [0.5, 0.5, 0.5, 0.1, 0.1, 0.1], 6, 2),
        ("max", [float("nan"), 0.1, 0.2, float("nan"), 0.1, 0.9], 10, 6),
    ],
)
def test_it_stops_when_nothing_better_came_for_so_long(
    mode: str, told: list[float], steps: int, best_step: int, tmp_path: Path
) -> None:
    objective, reports = Fitted(told[:]), []
    config = settings(early_stop=stopping(mode=mode, patience=2))
    result = fit(objective, config, tmp_path, reports.append)
    assert [step for step, _ in objective.steps] == list(range(steps))
    assert result.best_step == best_step
    assert reports[-1].step == steps
    assert reports[-1].metrics == result.metrics
    again = Fitted()
    resumed = fit(again, config, tmp_path, silent, resume=True)
    assert again.steps == []
    assert_same(resumed.model, result.model)
    assert resumed.best_step == best_step


def test_a_figure_that_validation_does_not_give_is_told(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"early_stop\.metric 'f1' is no metric of validation, which gives error, acc"):
        fit(Fitted(), settings(early_stop=stopping("f1")), tmp_path, silent)


def test_the_best_needs_a_figure_to_judge_by() -> None:
    with pytest.raises(UsageError, match=r"select: best needs early_stop\.metric"):
        validate(FitConfig, {"steps": 1, "learning_rate": 1, "select": "best"}, "train.yaml")


def test_a_best_model_that_cannot_be_written_leaves_the_one_before(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = settings(early_stop=stopping(), select="best")
    fit(Fitted([0.5, 0.1, 0.1, 0.1, 0.1, 0.1]), config, tmp_path, silent)
    before = (tmp_path / "best.safetensors").read_bytes()

    def half(model: nn.Module, path: str, header: dict[str, str]) -> None:
        Path(path).write_bytes(before[:50])
        raise OSError("disk full")

    monkeypatch.setattr(run_module, "save_model", half)
    with pytest.raises(OSError, match="disk full"):
        fit(Fitted(), config, tmp_path, silent)
    assert (tmp_path / "best.safetensors").read_bytes() == before


@pytest.mark.parametrize("harm", ["missing", "truncated", "text"])
def test_a_damaged_best_model_is_one_sentence(harm: str, tmp_path: Path) -> None:
    config = settings(early_stop=stopping(), select="best")
    fit(Fitted(), config, tmp_path, silent)
    path = tmp_path / "best.safetensors"
    if harm == "missing":
        path.unlink()
    else:
        path.write_bytes(path.read_bytes()[:-30] if harm == "truncated" else b"no tensors")
    with pytest.raises(ModelError, match=r"best\.safetensors cannot be read: train again"):
        fit(Fitted(), config, tmp_path, silent, resume=True)


def test_nan_is_never_better() -> None:
    nan = float("nan")
    for mode in ("max", "min"):
        config = EarlyStopConfig(metric="x", mode=mode)
        assert not config.better(nan, None)
        assert not config.better(nan, 0.5)
        assert config.better(0.5, None)
        assert not config.better(0.5, 0.5)


# -- phases ------------------------------------------------------------------------------------------------------------


def test_a_phase_trains_what_it_says_and_nothing_else(tmp_path: Path) -> None:
    objective, weights = Everything(), []
    start = [objective.model[at].weight.detach().clone() for at in (0, 3)]
    watch = lambda progress: weights.append([objective.model[at].weight.detach().clone() for at in (0, 3)])  # noqa: E731
    fit(objective, settings(log_every=1, weight_decay=0.5), tmp_path, watch)
    first, second = ([pair[at] for pair in weights] for at in (0, 1))
    assert torch.equal(second[0], start[1]), "the first report comes before the first step"
    assert all(torch.equal(first[at], start[0]) for at in range(7))
    assert all(not torch.equal(first[at], first[at + 1]) for at in range(6, 12))
    assert all(not torch.equal(second[at], second[at + 1]) for at in range(12))


# -- precision ---------------------------------------------------------------------------------------------------------


def test_fp16_scales_the_loss_and_learns_as_fp32_does(tmp_path: Path) -> None:
    class Seen(Fitted):
        kinds: set[torch.dtype]

        def error(self, inputs: Tensor) -> Tensor:
            self.kinds = {self.model(inputs).dtype}
            return super().error(inputs)

    half, full = Seen(), Seen()
    for name, objective, precision in (("half", half, "fp16"), ("full", full, "fp32")):
        config = settings(steps=60, learning_rate=0.05, evaluate_every=60, clip_norm=1.0, precision=precision)
        fit(objective, config, tmp_path / name, silent)
    assert half.kinds == {torch.float16}
    ends = [float(objective.error(inputs_of(999)).detach()) for objective in (half, full, Seen())]
    assert ends[0] == pytest.approx(ends[1], rel=0.3)
    assert ends[0] < ends[2] / 2
    # Steps whose scaled gradient overflows are left out and halve the scale; all others count towards its growth.
    stored = torch.load(tmp_path / "half" / "checkpoint.pt", weights_only=True)["scaler"]
    left_out = round(np.log2(65536 / stored["scale"]))
    assert 0 <= left_out < 10
    assert stored["_growth_tracker"] == 60 - left_out


# -- what a run tells --------------------------------------------------------------------------------------------------


def test_progress_tells_pictures_and_accuracy_where_the_objective_does(tmp_path: Path) -> None:
    told: list[Progress] = []
    fit(Everything(), settings(accumulate=2), tmp_path / "all", told.append)
    assert all(p.images_per_second == pytest.approx(p.steps_per_second * 10) for p in told)
    smooth = None
    for step in range(12):
        mean = ((2 * step) % 4 / 4 + (2 * step + 1) % 4 / 4) / 2
        smooth = mean if smooth is None else 0.98 * smooth + 0.02 * mean
    assert told[-1].accuracy == pytest.approx(smooth)
    assert lines_of(tmp_path / "all")[-1]["train_accuracy"] == pytest.approx(smooth, abs=1e-5)
    fit(Fitted(), settings(), tmp_path / "plain", told.append)
    assert (told[-1].accuracy, told[-1].images_per_second) == (None, None)
    assert set(lines_of(tmp_path / "plain")[1]) == {"step", "loss", "error", "accuracy"}
    assert sorted(path.name for path in (tmp_path / "plain").iterdir()) == ["checkpoint.pt", "metrics.jsonl"]


def events(folder: Path) -> Iterator[tuple[int, str, float]]:
    """Read TensorBoard's files by their published format: length, its checksum, the message, its checksum."""
    for path in sorted(folder.glob("events.out.tfevents.*")):
        raw, at = path.read_bytes(), 0
        while at < len(raw):
            (length,) = struct.unpack_from("<Q", raw, at)
            event = Event.FromString(raw[at + 12 : at + 12 + length])
            yield from ((event.step, value.tag, value.simple_value) for value in event.summary.value)
            at += length + 16


def test_tensorboard_gets_loss_rate_and_figures(tmp_path: Path) -> None:
    config = settings(tensorboard=True)
    result = fit(Everything(), config, tmp_path, silent)
    seen = {(step, tag): value for step, tag, value in events(tmp_path / "tensorboard")}
    assert seen[12, "validation/error"] == pytest.approx(result.metrics["error"], rel=1e-5)
    assert {step for step, tag in seen if tag == "validation/accuracy"} == {0, 2, 4, 6, 8, 10, 12}
    assert {step for step, tag in seen if tag == "train/loss"} == {2, 4, 6, 8, 10, 12}
    assert seen[4, "train/learning_rate"] == pytest.approx(0.02 * (0.001 + 0.999 * 0.5 * (1 + np.cos(np.pi / 6))))
    assert {(4, "train/accuracy"), (4, "train/pictures_per_second")} <= set(seen)
    fit(Everything(), config, tmp_path, silent)
    again = list(events(tmp_path / "tensorboard"))
    assert len(again) == len(seen)  # nothing is left of the run before


def test_the_learning_curve_is_drawn(tmp_path: Path) -> None:
    fit(Everything(), settings(learning_curve=True, early_stop=stopping()), tmp_path, silent)
    with Image.open(tmp_path / "learning_curve.png") as picture:
        assert picture.format == "PNG"
        assert min(picture.size) > 500
        assert len(picture.convert("RGB").getcolors(10**6) or []) > 50


# -- resume ------------------------------------------------------------------------------------------------------------

RESUMED = {
    "steps": 20,
    "accumulate": 2,
    "save_every": 3,
    "evaluate_every": 2,
    "clip_norm": 1.0,
    "early_stop": {"metric": "error", "mode": "min", "patience": 4},
    "select": "best",
    "tensorboard": True,
}


def whole_run(folder: Path, kill_at: int | None = None, resume: bool = False, **changes: object) -> RunResult:
    torch.set_num_threads(1)
    objective = Everything(kill_at=kill_at, dropout=0.5)
    result = fit(objective, settings(**{**RESUMED, **changes}), folder, silent, resume=resume)
    torch.save(objective.model.state_dict(), folder / "trained.pt")
    return result


def killed_run(folder: Path, kill_at: int, precision: str) -> None:
    whole_run(folder, kill_at=kill_at, precision=precision)


@pytest.mark.parametrize(("kill_at", "precision"), [(9, "fp32"), (27, "fp32"), (27, "fp16")])
def test_a_killed_process_is_resumed_to_the_bit(kill_at: int, precision: str, tmp_path: Path) -> None:
    unbroken = whole_run(tmp_path / "whole", precision=precision)
    folder = tmp_path / "killed"
    folder.mkdir()
    assert start(killed_run, folder, kill_at, precision, folder=tmp_path).wait(300) == -signal.SIGKILL
    assert not (folder / "trained.pt").exists()
    stored = torch.load(folder / "checkpoint.pt", weights_only=True)["step"]
    assert 0 < stored <= kill_at // 2
    resumed = whole_run(folder, resume=True, precision=precision)
    assert (resumed.metrics, resumed.best_step) == (unbroken.metrics, unbroken.best_step)
    assert_same(resumed.model, unbroken.model)
    assert best_of(folder)[:2] == best_of(tmp_path / "whole")[:2]
    assert lines_of(folder) == lines_of(tmp_path / "whole")
    trained = [torch.load(place / "trained.pt", weights_only=True) for place in (folder, tmp_path / "whole")]
    assert all(torch.equal(trained[0][name], trained[1][name]) for name in trained[0])
    drawn, wanted = (
        {(step, tag): value for step, tag, value in events(place / "tensorboard") if not tag.endswith("second")}
        for place in (folder, tmp_path / "whole")
    )
    assert drawn.items() <= wanted.items()
    assert {key for key in wanted if key[0] > stored} <= set(drawn)
