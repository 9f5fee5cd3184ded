"""The training loop: an interrupted run ends as an unbroken one, and what is wrong is told in one sentence."""

from __future__ import annotations

import json
import math
import os
import signal
import threading
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from clip_emotion.errors import ModelError, UsageError
from clip_emotion.evaluation.measurement import Measurement, Measurements
from clip_emotion.training.loop.config import FitConfig
from clip_emotion.training.loop.fit import fit
from clip_emotion.training.loop.interrupt import hold_interrupt
from clip_emotion.training.loop.objective import Progress
from clip_emotion.training.loop.optim import make_optimizer, schedule
from clip_emotion.training.loop.settings import RunSettings

STEPS = 12


class Lines:
    """A tiny objective with everything that could break a resumed run: dropout, batch statistics, random batches."""

    def __init__(self, width: int = 6, interrupt_at: int | None = None, broken_at: int | None = None) -> None:
        torch.manual_seed(7)
        self.model = nn.Sequential(
            nn.Linear(4, width), nn.BatchNorm1d(width), nn.ReLU(), nn.Dropout(0.5), nn.Linear(width, 1)
        )
        self.interrupt_at, self.broken_at = interrupt_at, broken_at
        self.seen: list[tuple[int, float]] = []

    def loss(self, step: int, progress: float) -> Tensor:
        self.seen.append((step, progress))
        if step == self.interrupt_at:
            os.kill(os.getpid(), signal.SIGINT)
        if step == self.broken_at:
            return torch.tensor(math.nan, requires_grad=True)
        inputs = torch.randn(8, 4, generator=torch.Generator().manual_seed(step))
        return ((self.model(inputs) - inputs.sum(dim=1, keepdim=True)) ** 2).mean()

    def validate(self, model: nn.Module) -> Measurements:
        assert not model.training
        with torch.inference_mode():
            return Measurements([Measurement("error", float((model(torch.ones(1, 4)) - 4).abs()))])


def settings(**changes: object) -> FitConfig:
    values = {"steps": STEPS, "learning_rate": 0.01, "evaluate_every": 3, "save_every": 6, "log_every": 4}
    return FitConfig.model_validate({**values, "clip_norm": 1.0, "precision": "fp32", **changes})


def silent(progress: Progress) -> None:
    pass


def stop_after(step: int):
    """A report that ends the run as a kill would: at once, and whatever has not been saved is lost."""

    def report(progress: Progress) -> None:
        if progress.step >= step:
            raise RuntimeError("killed")

    return report


def metrics(folder: Path) -> list[dict[str, float]]:
    lines = (folder / "metrics.jsonl").read_text("utf-8").splitlines()
    return [{name: value for name, value in json.loads(line).items() if name != "seconds"} for line in lines]


def assert_same(first: nn.Module, second: nn.Module) -> None:
    theirs = second.state_dict()
    for name, tensor in first.state_dict().items():
        assert torch.equal(tensor, theirs[name]), name


@pytest.mark.parametrize(
    "changes", [{}, {"optimizer": "sgd"}, {"precision": "bf16"}, {"ema": 0.0, "warmup": 0.0, "clip_norm": 0.0}]
)
@pytest.mark.parametrize("killed_after", [6, 8])
def test_a_resumed_run_repeats_an_unbroken_one_to_the_bit(
    changes: dict[str, object], killed_after: int, tmp_path: Path
) -> None:
    config, whole = settings(**changes), Lines()
    unbroken = fit(whole, config, tmp_path / "whole", silent)
    with pytest.raises(RuntimeError, match="killed"):
        fit(Lines(), config.model_copy(update={"log_every": 1}), tmp_path / "other", stop_after(killed_after))
    config_as_saved = config.model_copy(update={"log_every": 1})
    torch.rand(99)  # what the process drew meanwhile must not matter
    again = Lines()
    resumed = fit(again, config_as_saved, tmp_path / "other", silent, resume=True)
    assert [step for step, _ in again.seen] == list(range(6, STEPS))
    assert_same(whole.model, again.model)
    assert_same(unbroken.model, resumed.model)
    assert resumed.metrics == unbroken.metrics
    assert metrics(tmp_path / "other") == metrics(tmp_path / "whole")


def test_two_runs_are_alike_and_another_seed_differs(tmp_path: Path) -> None:
    results = [fit(Lines(), settings(seed=seed), tmp_path / str(at), silent).model for at, seed in enumerate([0, 0, 1])]
    assert_same(results[0], results[1])
    assert any(not torch.equal(a, b) for a, b in zip(results[0].parameters(), results[2].parameters(), strict=True))


def test_steps_progress_reports_and_metrics(tmp_path: Path) -> None:
    objective, told = Lines(), []
    result = fit(objective, settings(steps=10), tmp_path, told.append)
    assert objective.seen == [(step, step / 10) for step in range(10)]
    assert [progress.step for progress in told] == [0, 3, 4, 6, 8, 9, 10]  # every fourth step, and every validation
    assert [progress.metrics is not None for progress in told] == [True, True, False, True, False, True, True]
    assert all(progress.steps == 10 and progress.steps_per_second > 0 for progress in told[1:])
    lines = [json.loads(line) for line in (tmp_path / "metrics.jsonl").read_text().splitlines()]
    assert [line["step"] for line in lines] == [0, 3, 6, 9, 10]
    assert set(lines[0]) == {"step", "seconds", "error"}, "there is no loss before the first step"
    assert all(set(line) == {"step", "seconds", "loss", "error"} for line in lines[1:])
    assert lines[-1]["error"] == result.metrics["error"] == told[-1].metrics["error"]
    assert not list(tmp_path.glob("*.tmp"))


def test_training_learns_and_the_average_is_what_is_returned(tmp_path: Path) -> None:
    objective = Lines(width=32)
    before = objective.validate(objective.model.eval())["error"]
    result = fit(
        objective, settings(steps=300, learning_rate=0.02, evaluate_every=300, save_every=300), tmp_path, silent
    )
    assert result.metrics["error"] < before / 2
    assert result.model is not objective.model
    assert result.metrics == objective.validate(result.model)
    assert not any(parameter.requires_grad for parameter in result.model.parameters())


def test_the_average_follows_its_definition(tmp_path: Path) -> None:
    """Against a list of the weights after every step: a_t = d_t · a_(t-1) + (1 - d_t) · w_t."""
    objective, weights = Lines(), [Lines().model[0].weight.detach().clone()]
    report = lambda progress: weights.append(objective.model[0].weight.detach().clone())  # noqa: E731
    result = fit(objective, settings(ema=0.3, log_every=1), tmp_path, report)
    average = weights[0]
    for step, weight in enumerate(weights[1:], 1):
        decay = min(0.3, (1 + step - 1) / (10 + step - 1))
        average = decay * average + (1 - decay) * weight
    torch.testing.assert_close(result.model[0].weight, average)


def test_a_first_interrupt_ends_between_two_steps_with_a_whole_checkpoint(tmp_path: Path) -> None:
    handler = signal.getsignal(signal.SIGINT)
    with pytest.raises(KeyboardInterrupt):
        fit(Lines(interrupt_at=4), settings(), tmp_path / "stopped", silent)
    assert signal.getsignal(signal.SIGINT) is handler
    assert torch.load(tmp_path / "stopped" / "checkpoint.pt", weights_only=True)["step"] == 5
    whole, again = Lines(), Lines()
    unbroken = fit(whole, settings(), tmp_path / "whole", silent)
    resumed = fit(again, settings(), tmp_path / "stopped", silent, resume=True)
    assert again.seen[0][0] == 5
    assert_same(whole.model, again.model)
    assert_same(unbroken.model, resumed.model)
    assert metrics(tmp_path / "stopped") == metrics(tmp_path / "whole")


def test_an_interrupt_in_the_last_step_is_not_lost(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        fit(Lines(interrupt_at=STEPS - 1), settings(), tmp_path, silent)
    objective = Lines()
    result = fit(objective, settings(), tmp_path, silent, resume=True)
    assert objective.seen == []
    assert result.metrics == {"error": metrics(tmp_path)[-1]["error"]}


def test_a_second_interrupt_stops_at_once() -> None:
    def twice() -> None:
        with hold_interrupt() as interrupted:
            os.kill(os.getpid(), signal.SIGINT)
            assert interrupted()
            os.kill(os.getpid(), signal.SIGINT)
            pytest.fail("the second one was held back as well")

    handler = signal.getsignal(signal.SIGINT)
    with pytest.raises(KeyboardInterrupt):
        twice()
    assert signal.getsignal(signal.SIGINT) is handler


def test_an_ignored_interrupt_stays_ignored() -> None:
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        with hold_interrupt() as interrupted:
            os.kill(os.getpid(), signal.SIGINT)
            assert not interrupted()
        assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGINT, before)


def test_it_trains_in_another_thread_too(tmp_path: Path) -> None:
    results = []
    thread = threading.Thread(target=lambda: results.append(fit(Lines(), settings(steps=2), tmp_path, silent)))
    thread.start()
    thread.join()
    assert set(results[0].metrics) == {"error"}


def test_a_finished_run_returns_its_stored_figures_at_once(tmp_path: Path) -> None:
    first = fit(Lines(), settings(), tmp_path, silent)
    lines = metrics(tmp_path)
    objective, told = Lines(), []
    again = fit(objective, settings(), tmp_path, told.append, resume=True)
    assert objective.seen == told == []
    assert (again.metrics, again.seconds) == (first.metrics, first.seconds)
    assert_same(again.model, first.model)
    assert not again.model.training
    assert metrics(tmp_path) == lines


def test_a_fresh_run_leaves_nothing_of_an_older_one(tmp_path: Path) -> None:
    for _ in range(2):
        fit(Lines(), settings(), tmp_path, silent)
        assert [line["step"] for line in metrics(tmp_path)] == [0, 3, 6, 9, 12]


def test_resume_without_a_checkpoint_starts_afresh(tmp_path: Path) -> None:
    objective = Lines()
    fit(objective, settings(steps=2), tmp_path, silent, resume=True)
    assert len(objective.seen) == 2


def test_a_line_that_was_cut_off_goes_with_the_steps_that_are_taken_again(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match="killed"):
        fit(Lines(), settings(log_every=1), tmp_path, stop_after(9))
    with (tmp_path / "metrics.jsonl").open("a") as file:
        file.write('{"step": 5, "lo')
    fit(Lines(), settings(log_every=1), tmp_path, silent, resume=True)
    assert [line["step"] for line in metrics(tmp_path)] == [0, 3, 6, 9, 12]


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"learning_rate": 0.02}, r"fit\.learning_rate was [\d.]+, now 0\.02"),
        ({"steps": 24}, r"fit\.steps was 12, now 24"),
        ({"seed": 1, "steps": 24, "ema": 0.5, "log_every": 5}, r"fit\.steps was 12, now 24; .*; .*; 1 more"),
    ],
)
def test_a_checkpoint_of_other_settings_is_refused(changes: dict[str, object], said: str, tmp_path: Path) -> None:
    fit(Lines(), settings(), tmp_path, silent)
    lines = metrics(tmp_path)
    with pytest.raises(
        UsageError, match=rf"checkpoint\.pt was made with other settings \({said}\): .*another out=FOLDER"
    ):
        fit(Lines(), settings(**changes), tmp_path, silent, resume=True)
    assert metrics(tmp_path) == lines


def test_a_checkpoint_of_another_objective_is_refused(tmp_path: Path) -> None:
    fit(Lines(), settings(), tmp_path, silent, settings=RunSettings({"batch": 4, "sides": [[0.0, 32]]}))
    fit(Lines(), settings(), tmp_path, silent, resume=True, settings=RunSettings({"batch": 4, "sides": [[0.0, 32]]}))
    with pytest.raises(UsageError, match=r"other settings \(batch was 4, now 5\)"):
        fit(
            Lines(), settings(), tmp_path, silent, resume=True, settings=RunSettings({"batch": 5, "sides": [[0.0, 32]]})
        )


def test_a_checkpoint_that_tells_no_settings_is_taken(tmp_path: Path) -> None:
    fit(Lines(), settings(), tmp_path, silent)
    state = torch.load(tmp_path / "checkpoint.pt", weights_only=True)
    del state["settings"]
    torch.save(state, tmp_path / "checkpoint.pt")
    assert fit(Lines(), settings(), tmp_path, silent, resume=True, settings=RunSettings({"batch": 4})).metrics


def test_what_only_earlier_releases_compared_is_passed_over(tmp_path: Path) -> None:
    fit(Lines(), settings(), tmp_path, silent, settings=RunSettings({"weights": "c0c5", "batch": 4}))
    now = RunSettings({"base_weights": "35a1", "batch": 4}, {"base_weights": "35a1"}, frozenset({"weights"}))
    assert fit(Lines(), settings(), tmp_path, silent, resume=True, settings=now).metrics
    with pytest.raises(UsageError, match="weights was c0c5, now absent"):
        fit(Lines(), settings(), tmp_path, silent, resume=True, settings=RunSettings({"batch": 4}))


def test_a_checkpoint_of_another_size_is_refused(tmp_path: Path) -> None:
    fit(Lines(), settings(), tmp_path, silent)
    with pytest.raises(UsageError, match="other settings"):
        fit(Lines(width=5), settings(), tmp_path, silent, resume=True)


@pytest.mark.parametrize("harm", ["truncated", "empty", "text", "other things"])
def test_a_damaged_checkpoint_is_one_sentence(harm: str, tmp_path: Path) -> None:
    fit(Lines(), settings(), tmp_path, silent)
    path = tmp_path / "checkpoint.pt"
    if harm == "truncated":
        path.write_bytes(path.read_bytes()[:-100])
    elif harm == "other things":
        torch.save([1, 2, 3], path)
    else:
        path.write_text({"empty": "", "text": "no checkpoint"}[harm])
    with pytest.raises(ModelError, match=r"checkpoint\.pt cannot be read: delete it"):
        fit(Lines(), settings(), tmp_path, silent, resume=True)


def test_a_loss_that_is_no_number_is_told_and_not_saved(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"loss is nan at step 8: lower fit\.learning_rate"):
        fit(Lines(broken_at=8), settings(), tmp_path, silent)
    state = torch.load(tmp_path / "checkpoint.pt", weights_only=True)
    assert state["step"] == 6
    assert all(tensor.isfinite().all() for tensor in state["model"].values())


def test_the_schedule_warms_up_and_falls() -> None:
    values = [schedule(step / 1000, 0.1) for step in range(1000)]
    assert values[0] == pytest.approx(0.05)
    assert max(values) == values[100] == 1.0
    assert values[:101] == sorted(values[:101])
    assert values[100:] == sorted(values[100:], reverse=True)
    assert schedule(1.0, 0.1) == pytest.approx(0.001)
    assert schedule(0.55, 0.1) == pytest.approx(0.5005)


def test_only_matrices_decay() -> None:
    model = Lines().model
    decayed, rest = make_optimizer(model, settings(weight_decay=0.5)).param_groups
    assert {id(p) for p in decayed["params"]} == {id(model[0].weight), id(model[4].weight)}
    assert (decayed["weight_decay"], rest["weight_decay"]) == (0.5, 0.0)
    assert len(decayed["params"]) + len(rest["params"]) == len(list(model.parameters()))


class RatedLines(Lines):
    """Lines whose first layer learns at another rate than the rest."""

    def __init__(self, first: float, rest: float = 1.0) -> None:
        super().__init__()
        self.first, self.rest = first, rest

    def lr_scale(self, name: str) -> float:
        return self.first if name.startswith("0.") else self.rest


@pytest.mark.parametrize("optimizer", ["adamw", "sgd"])
def test_a_parameter_learns_at_its_own_rate(optimizer: str, tmp_path: Path) -> None:
    """The first step of either optimizer is proportional to the learning rate."""
    config = settings(steps=1, optimizer=optimizer, weight_decay=0.0)
    start, plain, rated = Lines().model, Lines(), RatedLines(first=0.25)
    fit(plain, config, tmp_path / "plain", silent)
    fit(rated, config, tmp_path / "rated", silent)
    for at, factor in ((0, 0.25), (4, 1.0)):
        taken = [objective.model[at].weight - start[at].weight for objective in (plain, rated)]
        torch.testing.assert_close(taken[1], factor * taken[0], rtol=1e-3, atol=1e-8)


def test_a_rate_of_nought_freezes_and_decays_nothing(tmp_path: Path) -> None:
    frozen = RatedLines(first=0.0)
    fit(frozen, settings(weight_decay=0.5), tmp_path, silent)
    assert torch.equal(frozen.model[0].weight, Lines().model[0].weight)
    assert not torch.equal(frozen.model[4].weight, Lines().model[4].weight)


def test_equal_rates_are_as_none_and_resume_keeps_them(tmp_path: Path) -> None:
    plain, equal = Lines(), RatedLines(1.0)
    fit(plain, settings(), tmp_path / "plain", silent)
    fit(equal, settings(), tmp_path / "equal", silent)
    assert_same(plain.model, equal.model)
    whole, again = RatedLines(0.1), RatedLines(0.1)
    fit(whole, settings(log_every=1), tmp_path / "whole", silent)
    with pytest.raises(RuntimeError, match="killed"):
        fit(RatedLines(0.1), settings(log_every=1), tmp_path / "killed", stop_after(8))
    fit(again, settings(log_every=1), tmp_path / "killed", silent, resume=True)
    assert_same(whole.model, again.model)
