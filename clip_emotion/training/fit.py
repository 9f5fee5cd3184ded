"""The one training loop: schedule, averaging, checkpoints, resume."""

from __future__ import annotations

import copy
import json
import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Protocol

import torch
from pydantic import Field
from torch import Tensor, nn

from clip_emotion.config import Config
from clip_emotion.errors import ModelError, UsageError


class FitConfig(Config):
    """How long and how fast to train; ``ema`` is the decay of the averaged weights that are kept."""

    steps: int = Field(ge=1)
    optimizer: Literal["adamw", "sgd"] = "adamw"
    learning_rate: float = Field(gt=0)
    weight_decay: float = Field(0.05, ge=0)
    warmup: float = Field(0.1, ge=0, lt=1)
    ema: float = Field(0.999, ge=0, lt=1)
    clip_norm: float = Field(0.0, ge=0)
    precision: Literal["fp32", "bf16"] = "bf16"
    evaluate_every: int = Field(500, ge=1)
    save_every: int = Field(500, ge=1)
    log_every: int = Field(50, ge=1)
    seed: int = Field(0, ge=0)


class Objective(Protocol):
    """What ``fit`` trains: a model, a loss that is a pure function of seed and step, and a validation.

    Because batch and augmentation follow from (seed, step) alone, a resumed run repeats an unbroken one to the bit.
    """

    model: nn.Module

    def loss(self, step: int, progress: float) -> Tensor:
        """Return the loss of one step; ``progress`` runs from 0 to 1 over the run."""
        ...

    def validate(self, model: nn.Module) -> dict[str, float]:
        """Return named figures of the averaged model on validation data."""
        ...


@dataclass(frozen=True)
class Progress:
    """What ``fit`` reports after a step: the smoothed loss, steps a second, and figures where it validated."""

    step: int
    steps: int
    loss: float
    rate: float
    figures: dict[str, float] | None = None


Report = Callable[[Progress], None]


@dataclass(frozen=True)
class RunResult:
    """The end of a run: the averaged model and its last validation figures."""

    model: nn.Module
    figures: dict[str, float]
    seconds: float


class Run:
    """The state of a run on disk and in memory; ``checkpoint.pt`` holds tensors and numbers only."""

    def __init__(self, objective: Objective, config: FitConfig, folder: Path) -> None:
        self.objective, self.config, self.folder = objective, config, folder
        self.optimizer = make_optimizer(objective.model, config)
        self.average = copy.deepcopy(objective.model).requires_grad_(False)
        self.step = 0
        self.seconds = 0.0
        self.figures: dict[str, float] = {}

    @property
    def path(self) -> Path:
        """The checkpoint's file."""
        return self.folder / "checkpoint.pt"

    def save(self) -> None:
        """Write the checkpoint atomically."""
        state = {
            "model": self.objective.model.state_dict(),
            "average": self.average.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "step": self.step,
            "seconds": self.seconds,
            "figures": self.figures,
            "config": self.config.model_dump(mode="json"),
        }
        temporary = self.path.with_suffix(".tmp")
        torch.save(state, temporary)
        temporary.replace(self.path)

    def load(self) -> None:
        """Go on from the checkpoint; raises when it is broken or of other settings."""
        try:
            state = torch.load(self.path, weights_only=True)
        except Exception as error:
            raise ModelError(f"The checkpoint {self.path} cannot be read: delete it to start afresh.") from error
        if state["config"] != self.config.model_dump(mode="json"):
            raise UsageError(f"{self.path} was made with other settings: use another out=FOLDER or drop --resume.")
        self.objective.model.load_state_dict(state["model"])
        self.average.load_state_dict(state["average"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.step, self.seconds, self.figures = state["step"], state["seconds"], state["figures"]


def fit(objective: Objective, config: FitConfig, folder: Path, report: Report, resume: bool = False) -> RunResult:
    """Train an objective; writes ``checkpoint.pt`` and ``metrics.jsonl`` into the folder as it goes.

    The learning rate warms up linearly and falls as a cosine (1608.03983); the exponential average of the weights is
    what is validated and returned. Ctrl-C saves the checkpoint before it goes on its way. Raises UsageError when
    ``resume`` finds a checkpoint of other settings.
    """
    folder.mkdir(parents=True, exist_ok=True)
    run = Run(objective, config, folder)
    if resume and run.path.is_file():
        run.load()
    try:
        _train(run, report)
    except KeyboardInterrupt:
        run.save()
        raise
    return RunResult(run.average, run.figures, run.seconds)


def _train(run: Run, report: Report) -> None:
    config, began, smooth = run.config, time.monotonic() - run.seconds, math.nan
    first, started = run.step, time.monotonic()
    while run.step < config.steps:
        loss = _one_step(run)
        smooth = loss if math.isnan(smooth) else 0.98 * smooth + 0.02 * loss
        run.step += 1
        run.seconds = time.monotonic() - began
        last = run.step == config.steps
        if last or run.step % config.evaluate_every == 0:
            run.figures = run.objective.validate(run.average.eval())
            _log(run, smooth)
        if last or run.step % config.save_every == 0:
            run.save()
        if last or run.step % config.log_every == 0:
            rate = (run.step - first) / (time.monotonic() - started)
            fresh = run.step % config.evaluate_every == 0 or last
            report(Progress(run.step, config.steps, smooth, rate, run.figures if fresh else None))


def _one_step(run: Run) -> float:
    config, model = run.config, run.objective.model
    for group in run.optimizer.param_groups:
        group["lr"] = config.learning_rate * schedule(run.step / config.steps, config.warmup)
    model.train()
    # Dropout draws from the global generator: seeded by the step, so that a resumed run repeats an unbroken one.
    torch.manual_seed(config.seed * 1_000_003 + run.step)
    device = next(model.parameters()).device.type
    with torch.autocast(device, torch.bfloat16, enabled=config.precision == "bf16"):
        loss = run.objective.loss(run.step, run.step / config.steps)
    loss.backward()  # type: ignore[no-untyped-call]
    if config.clip_norm:
        nn.utils.clip_grad_norm_(model.parameters(), config.clip_norm)
    run.optimizer.step()
    run.optimizer.zero_grad(set_to_none=True)
    _average(run)
    value = float(loss.detach())
    if not math.isfinite(value):
        raise ModelError(f"The loss is {value} at step {run.step}: lower fit.learning_rate.")
    return value


@torch.no_grad()
def _average(run: Run) -> None:
    # Early on the average follows quickly, so that random initial weights do not linger in it.
    decay = min(run.config.ema, (1 + run.step) / (10 + run.step))
    for kept, new in zip(run.average.state_dict().values(), run.objective.model.state_dict().values(), strict=True):
        if kept.dtype.is_floating_point:
            kept.lerp_(new, 1 - decay)
        else:
            kept.copy_(new)


def _log(run: Run, loss: float) -> None:
    line = {"step": run.step, "seconds": round(run.seconds, 1), "loss": round(loss, 5), **run.figures}
    with (run.folder / "metrics.jsonl").open("a", encoding="utf-8") as file:
        file.write(json.dumps(line, ensure_ascii=False) + "\n")


def schedule(progress: float, warmup: float) -> float:
    """Return the factor on the learning rate: linear from 0.05 to 1 over the warm-up, then a cosine to 0.001."""
    if progress < warmup:
        return 0.05 + 0.95 * progress / warmup
    return 0.001 + 0.999 * (1 + math.cos(math.pi * (progress - warmup) / (1 - warmup))) / 2


def make_optimizer(model: nn.Module, config: FitConfig) -> torch.optim.Optimizer:
    """Return the optimizer, with weight decay on matrices only (not on biases, norms and scales)."""
    matrices = [p for p in model.parameters() if p.requires_grad and p.ndim > 1]
    rest = [p for p in model.parameters() if p.requires_grad and p.ndim <= 1]
    groups = [{"params": matrices, "weight_decay": config.weight_decay}, {"params": rest, "weight_decay": 0.0}]
    if config.optimizer == "sgd":
        return torch.optim.SGD(groups, config.learning_rate, momentum=0.9, nesterov=True)
    return torch.optim.AdamW(groups, config.learning_rate, betas=(0.9, 0.98))
