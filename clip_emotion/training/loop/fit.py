"""The one training loop: schedule, averaging, checkpoints, resume."""

from __future__ import annotations

import math
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

import torch
from torch import nn

from clip_emotion.errors import ModelError
from clip_emotion.training.loop.config import EarlyStopConfig, FitConfig
from clip_emotion.training.loop.metrics_log import METRICS, Curves
from clip_emotion.training.loop.objective import (
    AnsweringObjective,
    CountingObjective,
    Objective,
    PhasedObjective,
    Progress,
    RatedObjective,
    Report,
    RunResult,
    Settings,
)
from clip_emotion.training.loop.optim import RATE, make_optimizer, schedule
from clip_emotion.training.loop.state import Run
from clip_emotion.training.parallel.process_group import ALONE, Team

__all__ = [
    "METRICS",
    "RATE",
    "AnsweringObjective",
    "CountingObjective",
    "EarlyStopConfig",
    "FitConfig",
    "Objective",
    "PhasedObjective",
    "Progress",
    "RatedObjective",
    "Report",
    "Run",
    "RunResult",
    "Settings",
    "fit",
    "hold_interrupt",
    "make_optimizer",
    "schedule",
]
PRECISIONS = {"bf16": torch.bfloat16, "fp16": torch.float16}


def fit(
    objective: Objective,
    config: FitConfig,
    folder: Path,
    report: Report,
    resume: bool = False,
    settings: Settings | None = None,
    team: Team = ALONE,
) -> RunResult:
    """Train an objective; writes ``checkpoint.pt`` and ``metrics.jsonl`` into the folder as it goes.

    The learning rate warms up linearly and falls as a cosine (1608.03983); the exponential average of the weights is
    what is validated and returned. ``resume`` goes on from the folder's checkpoint, which must be of the same
    ``config`` and ``settings`` (all else that the objective was made with, as JSON has it); of a finished run it
    returns what is stored. Ctrl-C lets the step end, saves the checkpoint and raises KeyboardInterrupt; a second one
    stops at once, with the last checkpoint as it was. Of a ``team`` every member calls this; the first alone averages,
    validates, writes and returns the averaged model. Raises UsageError when ``resume`` finds a checkpoint of other
    settings or validation lacks the figure to stop by, ModelError when the checkpoint is broken or the loss is no
    longer finite.
    """
    folder.mkdir(parents=True, exist_ok=True)
    run = Run(objective, config, folder, dict(settings or {}), team)
    if resume and team.told(run.path.is_file):
        run.load()
    team.align(objective.model)
    curves = Curves(folder, config, run.step) if team.first else None
    try:
        with hold_interrupt() as interrupted:
            _train(run, curves, report, lambda: team.stops(interrupted()))
    finally:
        if curves is not None:
            curves.close()
    if team.stops(interrupted()):
        raise KeyboardInterrupt
    if config.keep == "best" and run.best_step is not None:
        run.recall_best()
    return RunResult(run.average.eval(), run.figures, run.seconds, run.best_step)


@contextmanager
def hold_interrupt() -> Iterator[Callable[[], bool]]:
    """Hold the first Ctrl-C back while the block runs and hand out a function that tells whether it came.

    A second one interrupts at once. Where Ctrl-C cannot arrive (in another thread than the main one, or where the
    process ignores it) nothing is changed.
    """
    came = threading.Event()

    def hold(number: int, frame: FrameType | None) -> None:
        came.set()
        signal.signal(signal.SIGINT, signal.default_int_handler)

    before = signal.getsignal(signal.SIGINT)
    if threading.current_thread() is not threading.main_thread() or not callable(before):
        yield came.is_set
        return
    signal.signal(signal.SIGINT, hold)
    try:
        yield came.is_set
    finally:
        signal.signal(signal.SIGINT, before)


def _train(run: Run, curves: Curves | None, report: Report, interrupted: Callable[[], bool]) -> None:
    config, began = run.config, time.monotonic() - run.seconds
    first, started = run.step, time.monotonic()
    while not run.finished:
        loss, accuracy = _one_step(run)
        run.smooth, run.accuracy = _smoothed(run.smooth, loss), _smoothed(run.accuracy, accuracy)
        run.step += 1
        run.seconds = time.monotonic() - began
        fresh, better = run.step == config.steps or run.step % config.evaluate_every == 0, False
        if fresh:
            run.figures = run.team.told(lambda: run.objective.validate(run.average.eval()))
            better = run.judge()
            if curves is not None:
                curves.validated(_line(run), run.figures, run.best_step)
        last, stop = run.finished, interrupted()
        told = fresh or last or run.step % config.log_every == 0
        progress = _progress(run, (run.step - first) / max(time.monotonic() - started, 1e-9), fresh)
        if told and curves is not None:
            curves.scalars(run.step, _scalars(run, progress))
        if last or stop or better or run.step % config.save_every == 0:
            run.save()
        if told:
            report(progress)
        if stop:
            break


def _smoothed(before: float, value: float) -> float:
    return value if math.isnan(before) else 0.98 * before + 0.02 * value


def _progress(run: Run, rate: float, fresh: bool) -> Progress:
    objective, accuracy = run.objective, None if math.isnan(run.accuracy) else run.accuracy
    pictures = objective.batch_size * run.config.accumulate if isinstance(objective, CountingObjective) else None
    return Progress(
        run.step,
        run.config.steps,
        run.smooth,
        rate,
        run.figures if fresh else None,
        pictures * rate if pictures else None,
        accuracy,
    )


def _line(run: Run) -> dict[str, float]:
    line = {"step": run.step, "seconds": round(run.seconds, 1), "loss": round(run.smooth, 5)}
    return line if math.isnan(run.accuracy) else {**line, "train_accuracy": round(run.accuracy, 5)}


def _scalars(run: Run, progress: Progress) -> dict[str, float]:
    told = {
        "train/loss": run.smooth,
        "train/accuracy": progress.accuracy,
        "train/learning_rate": run.learning_rate(run.step - 1),
        "train/pictures_per_second": progress.images_per_second,
    }
    return {name: value for name, value in told.items() if value is not None}


def _one_step(run: Run) -> tuple[float, float]:
    """Change the weights once; returns the mean loss and accuracy of the step's batches (NaN where it tells none)."""
    config, model = run.config, run.objective.model
    for group in run.optimizer.param_groups:
        group["lr"] = run.learning_rate(run.step) * group.get(RATE, 1.0)
    _choose_trainable(run)
    model.train()
    batches = range(run.step * config.accumulate, (run.step + 1) * config.accumulate)
    losses, accuracies = zip(*[_one_batch(run, batch) for batch in batches], strict=True)
    run.team.average_gradients(model.parameters())
    if config.clip_norm:
        run.scaler.unscale_(run.optimizer)
        nn.utils.clip_grad_norm_(model.parameters(), config.clip_norm)
    run.scaler.step(run.optimizer)
    run.scaler.update()
    run.optimizer.zero_grad(set_to_none=True)
    if run.team.first:
        _average(run)
    value = float(torch.stack(losses).mean())
    if not math.isfinite(value):
        raise ModelError(f"The loss is {value} at step {run.step}: lower fit.learning_rate.")
    return value, sum(accuracies) / len(accuracies)


def _one_batch(run: Run, batch: int) -> tuple[torch.Tensor, float]:
    """Add a batch's share to the gradients."""
    objective, config = run.objective, run.config
    # Dropout draws from the global generator: seeded by the step, so that a resumed run repeats an unbroken one.
    torch.manual_seed(config.seed * 1_000_003 + batch + run.team.seed)
    dtype = PRECISIONS.get(config.precision)
    with torch.autocast(run.device, dtype, enabled=dtype is not None):
        loss = objective.loss(batch, run.step / config.steps)
    run.scaler.scale(loss / config.accumulate).backward()
    accuracy = objective.batch_accuracy if isinstance(objective, AnsweringObjective) else None
    return loss.detach().float(), math.nan if accuracy is None else accuracy


def _choose_trainable(run: Run) -> None:
    objective = run.objective
    if isinstance(objective, PhasedObjective):
        progress = run.step / run.config.steps
        for name, parameter in run.learning.items():
            parameter.requires_grad_(objective.trainable(name, progress))


@torch.no_grad()
def _average(run: Run) -> None:
    # Early on the average follows quickly, so that random initial weights do not linger in it.
    decay = min(run.config.ema, (1 + run.step) / (10 + run.step))
    for kept, new in zip(run.average.state_dict().values(), run.objective.model.state_dict().values(), strict=True):
        if kept.dtype.is_floating_point:
            kept.lerp_(new, 1 - decay)
        else:
            kept.copy_(new)
