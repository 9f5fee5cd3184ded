"""The one training loop: schedule, averaging, checkpoints, resume."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import nn

from clip_emotion.errors import ModelError
from clip_emotion.training.loop.config import EarlyStopConfig, FitConfig
from clip_emotion.training.loop.interrupt import hold_interrupt
from clip_emotion.training.loop.metrics_log import MetricsLog
from clip_emotion.training.loop.objective import (
    AccuracyObjective,
    CountingObjective,
    ModelT,
    Objective,
    PhasedObjective,
    Progress,
    ProgressCallback,
    RunResult,
)
from clip_emotion.training.loop.optim import LR_SCALE
from clip_emotion.training.loop.settings import RunSettings
from clip_emotion.training.loop.state import TrainState
from clip_emotion.training.parallel.process_group import ALONE, ProcessGroup

__all__ = ["EarlyStopConfig", "FitConfig", "Objective", "Progress", "ProgressCallback", "RunResult", "fit"]
PRECISIONS = {"bf16": torch.bfloat16, "fp16": torch.float16}


def fit(
    objective: Objective[ModelT],
    config: FitConfig,
    folder: Path,
    report: ProgressCallback,
    resume: bool = False,
    settings: RunSettings | None = None,
    processes: ProcessGroup = ALONE,
) -> RunResult[ModelT]:
    """Train an objective; writes ``checkpoint.pt`` and ``metrics.jsonl`` into the folder as it goes.

    The learning rate warms up linearly and falls as a cosine (1608.03983); the exponential average of the weights is
    what is validated and returned. The first validation comes before the first step. ``resume`` goes on from the
    folder's checkpoint, which must be of the same ``config`` and ``settings``; of a finished run it returns what is
    stored. Ctrl-C and SIGTERM let the step end, save the checkpoint and raise KeyboardInterrupt; a second one stops at
    once, with the last checkpoint as it was. Every process of a group calls this; the main one alone averages,
    validates, writes and returns the averaged model. Raises UsageError when ``resume`` finds a checkpoint of other
    settings or validation lacks the metric to stop by, ModelError when the checkpoint is broken or the loss is no
    longer finite.
    """
    folder.mkdir(parents=True, exist_ok=True)
    state = TrainState(objective, config, folder, settings or RunSettings(), processes)
    if resume and processes.broadcast_object(state.path.is_file):
        state.load()
    processes.broadcast_weights(objective.model)
    log = MetricsLog(folder, config, state.step) if processes.is_main else None
    try:
        with hold_interrupt() as interrupted:
            _train(state, log, report, lambda: processes.any_stop(interrupted()))
    finally:
        if log is not None:
            log.close()
    if processes.any_stop(interrupted()):
        raise KeyboardInterrupt
    if config.select == "best" and state.best_step is not None:
        state.recall_best()
    return RunResult(state.average.eval(), state.metrics, state.seconds, state.best_step, _notes(state))


def _notes(state: TrainState[Any]) -> tuple[str, ...]:
    """Say why the run ended before its last step, and which step's model is kept; nothing without ``early_stop``."""
    stop = state.config.early_stop
    if stop is None or state.best is None:
        return ()
    best = f"step {state.best_step}, the best by {stop.metric} ({state.best:.3f})"
    notes = []
    if state.out_of_patience and state.step < state.config.steps:
        waited = "1 validation was" if state.waited == 1 else f"{state.waited} validations were"
        notes.append(f"Stopped at step {state.step}: {waited} no better than {best}.")
    if state.config.select == "best":
        return (*notes, f"Kept the model of {best}.")
    if state.best_step != state.step:
        return (*notes, f"Kept the model of the last step, {state.step}; fit.select=best keeps that of {best}.")
    return (*notes, f"Kept the model of {best}, which is the last.")


class _Pace:
    """The steps a second of this sitting, without the time that validation and writing take."""

    def __init__(self) -> None:
        self._steps, self._seconds = 0, 0.0

    def timed(self, state: TrainState[Any]) -> tuple[float, float]:
        """Take a step; returns its loss and accuracy."""
        began = time.monotonic()
        found = _one_step(state)
        self._steps += 1
        self._seconds += time.monotonic() - began
        return found

    @property
    def steps_per_second(self) -> float:
        """The pace so far; 0 before the first step."""
        return self._steps / max(self._seconds, 1e-9)


def _train(
    state: TrainState[Any], log: MetricsLog | None, report: ProgressCallback, interrupted: Callable[[], bool]
) -> None:
    config, began, pace = state.config, time.monotonic() - state.seconds, _Pace()
    if not state.step:
        _validate(state, log)
        report(_progress(state, pace, fresh=True))
    while not state.finished:
        loss, accuracy = pace.timed(state)
        state.smoothed_loss = _smoothed(state.smoothed_loss, loss)
        state.smoothed_accuracy = _smoothed(state.smoothed_accuracy, accuracy)
        state.step += 1
        state.seconds = time.monotonic() - began
        fresh = state.step == config.steps or state.step % config.evaluate_every == 0
        better = fresh and _validate(state, log)
        last, stop = state.finished, interrupted()
        told = fresh or last or state.step % config.log_every == 0
        progress = _progress(state, pace, fresh=fresh)
        if told and log is not None:
            log.scalars(state.step, _scalars(state, progress))
        if last or stop or better or state.step % config.save_every == 0:
            state.save()
        if told:
            report(progress)
        if stop:
            break


def _validate(state: TrainState[Any], log: MetricsLog | None) -> bool:
    """Measure the averaged model and write that down; returns whether it is the best so far.

    What there is before the first step is measured, to be compared with, and is no candidate for the best.
    """
    state.metrics = state.processes.broadcast_object(lambda: state.objective.validate(state.average.eval()))
    better = bool(state.step) and state.judge()
    if log is not None:
        log.validated(_line(state), state.metrics, state.best_step)
    return better


def _smoothed(before: float, value: float) -> float:
    return value if math.isnan(before) else 0.98 * before + 0.02 * value


def _progress(state: TrainState[Any], pace: _Pace, *, fresh: bool) -> Progress:
    objective, accuracy = state.objective, state.smoothed_accuracy
    images = objective.batch_size * state.config.accumulate if isinstance(objective, CountingObjective) else None
    return Progress(
        state.step,
        state.config.steps,
        state.smoothed_loss,
        pace.steps_per_second,
        state.metrics if fresh else None,
        images * pace.steps_per_second if images else None,
        None if math.isnan(accuracy) else accuracy,
    )


def _line(state: TrainState[Any]) -> dict[str, float]:
    line = {"step": state.step, "seconds": round(state.seconds, 1)}
    told = {"loss": state.smoothed_loss, "train_accuracy": state.smoothed_accuracy}
    return line | {name: round(value, 5) for name, value in told.items() if not math.isnan(value)}


def _scalars(state: TrainState[Any], progress: Progress) -> dict[str, float]:
    told = {
        "train/loss": state.smoothed_loss,
        "train/accuracy": progress.accuracy,
        "train/learning_rate": state.learning_rate(state.step - 1),
        "train/pictures_per_second": progress.images_per_second,
    }
    return {name: value for name, value in told.items() if value is not None}


def _one_step(state: TrainState[Any]) -> tuple[float, float]:
    """Change the weights once; returns the mean loss and accuracy of the step's batches (NaN where it tells none)."""
    config, model = state.config, state.objective.model
    for group in state.optimizer.param_groups:
        group["lr"] = state.learning_rate(state.step) * group.get(LR_SCALE, 1.0)
    _choose_trainable(state)
    model.train()
    batches = range(state.step * config.accumulate, (state.step + 1) * config.accumulate)
    losses, accuracies = zip(*[_one_batch(state, batch) for batch in batches], strict=True)
    state.processes.average_gradients(model.parameters())
    if config.clip_norm:
        state.scaler.unscale_(state.optimizer)
        nn.utils.clip_grad_norm_(model.parameters(), config.clip_norm)
    state.scaler.step(state.optimizer)
    state.scaler.update()
    state.optimizer.zero_grad(set_to_none=True)
    if state.processes.is_main:
        state.averaged.update_parameters(model)
    value = float(torch.stack(losses).mean())
    if not math.isfinite(value):
        raise ModelError(f"The loss is {value} at step {state.step}: lower fit.learning_rate.")
    return value, sum(accuracies) / len(accuracies)


def _one_batch(state: TrainState[Any], batch: int) -> tuple[torch.Tensor, float]:
    """Add a batch's share to the gradients."""
    objective, config = state.objective, state.config
    # Dropout draws from the global generator: seeded by the step, so that a resumed run repeats an unbroken one.
    torch.manual_seed(config.seed * 1_000_003 + batch + state.processes.seed)
    dtype = PRECISIONS.get(config.precision)
    with torch.autocast(state.device, dtype, enabled=dtype is not None):
        loss = objective.loss(batch, state.step / config.steps)
    state.scaler.scale(loss / config.accumulate).backward()
    accuracy = objective.batch_accuracy if isinstance(objective, AccuracyObjective) else None
    return loss.detach().float(), math.nan if accuracy is None else accuracy


def _choose_trainable(state: TrainState[Any]) -> None:
    objective = state.objective
    if isinstance(objective, PhasedObjective):
        progress = state.step / state.config.steps
        for name, parameter in state.learning.items():
            parameter.requires_grad_(objective.trainable(name, progress))
