"""The one training loop: schedule, averaging, checkpoints, resume."""

from __future__ import annotations

import copy
import json
import math
import signal
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Any, Literal, Protocol, runtime_checkable

import torch
from pydantic import Field
from torch import Tensor, nn

from clip_emotion.config import Config
from clip_emotion.errors import ModelError, UsageError
from clip_emotion.files import write_atomic

METRICS = "metrics.jsonl"
RATE = "rate"
"""The key of a parameter group's own factor on the learning rate."""


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

    @property
    def model(self) -> nn.Module:
        """The model whose weights are trained."""
        ...

    def loss(self, step: int, progress: float) -> Tensor:
        """Return the loss of one step; ``progress`` runs from 0 to 1 over the run."""
        ...

    def validate(self, model: nn.Module) -> dict[str, float]:
        """Return named figures of the averaged model on validation data."""
        ...


@runtime_checkable
class RatedObjective(Objective, Protocol):
    """An objective whose parameters do not all learn at the same rate, as when a pre-trained model is fine-tuned."""

    def rate(self, name: str) -> float:
        """Return the factor on the learning rate of the parameter with this name."""
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
Settings = Mapping[str, Any]


@dataclass(frozen=True)
class RunResult:
    """The end of a run: the averaged model and its last validation figures."""

    model: nn.Module
    figures: dict[str, float]
    seconds: float


class Run:
    """The state of a run on disk and in memory; ``checkpoint.pt`` holds tensors and numbers only."""

    def __init__(self, objective: Objective, config: FitConfig, folder: Path, settings: Settings) -> None:
        self.objective, self.config, self.folder, self.settings = objective, config, folder, settings
        rate = objective.rate if isinstance(objective, RatedObjective) else None
        self.optimizer = make_optimizer(objective.model, config, rate)
        self.average = copy.deepcopy(objective.model).requires_grad_(False)
        self.step = 0
        self.seconds = 0.0
        self.smooth = math.nan
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
            "loss": self.smooth,
            "figures": self.figures,
            "config": self.config.model_dump(mode="json"),
            "settings": self.settings,
        }
        temporary = self.path.with_suffix(".tmp")
        torch.save(state, temporary)
        temporary.replace(self.path)

    def load(self) -> None:
        """Go on from the checkpoint; raises ModelError when it is broken, UsageError when it is of other settings."""
        other = UsageError(f"{self.path} was made with other settings: use another out=FOLDER or drop --resume.")
        try:
            state: dict[str, Any] = torch.load(self.path, map_location="cpu", weights_only=True)
            written = state["config"], state.get("settings", self.settings)
            self.step, self.seconds, self.figures = state["step"], state["seconds"], state["figures"]
            self.smooth = state.get("loss", math.nan)
            weights, average, optimizer = state["model"], state["average"], state["optimizer"]
        except Exception as error:
            raise ModelError(f"The checkpoint {self.path} cannot be read: delete it to start afresh.") from error
        if written != (self.config.model_dump(mode="json"), self.settings):
            raise other
        try:
            self.objective.model.load_state_dict(weights)
            self.average.load_state_dict(average)
            self.optimizer.load_state_dict(optimizer)
        except (RuntimeError, ValueError) as error:
            raise other from error


def fit(
    objective: Objective,
    config: FitConfig,
    folder: Path,
    report: Report,
    resume: bool = False,
    settings: Settings | None = None,
) -> RunResult:
    """Train an objective; writes ``checkpoint.pt`` and ``metrics.jsonl`` into the folder as it goes.

    The learning rate warms up linearly and falls as a cosine (1608.03983); the exponential average of the weights is
    what is validated and returned. ``resume`` goes on from the folder's checkpoint, which must be of the same
    ``config`` and ``settings`` (all else that the objective was made with, as JSON has it); of a finished run it
    returns what is stored. Ctrl-C lets the step end, saves the checkpoint and raises KeyboardInterrupt; a second one
    stops at once, with the last checkpoint as it was. Raises UsageError when ``resume`` finds a checkpoint of other
    settings, ModelError when that is broken or the loss is no longer finite.
    """
    folder.mkdir(parents=True, exist_ok=True)
    run = Run(objective, config, folder, dict(settings or {}))
    if resume and run.path.is_file():
        run.load()
    _forget_after(run.step, folder / METRICS)
    with hold_interrupt() as interrupted:
        _train(run, report, interrupted)
    if interrupted():
        raise KeyboardInterrupt
    return RunResult(run.average.eval(), run.figures, run.seconds)


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


def _train(run: Run, report: Report, interrupted: Callable[[], bool]) -> None:
    config, began = run.config, time.monotonic() - run.seconds
    first, started = run.step, time.monotonic()
    while run.step < config.steps:
        loss = _one_step(run)
        run.smooth = loss if math.isnan(run.smooth) else 0.98 * run.smooth + 0.02 * loss
        run.step += 1
        run.seconds = time.monotonic() - began
        last = run.step == config.steps
        if last or run.step % config.evaluate_every == 0:
            run.figures = run.objective.validate(run.average.eval())
            _log(run)
        stop = interrupted()
        if last or stop or run.step % config.save_every == 0:
            run.save()
        if last or run.step % config.log_every == 0:
            rate = (run.step - first) / max(time.monotonic() - started, 1e-9)
            fresh = run.step % config.evaluate_every == 0 or last
            report(Progress(run.step, config.steps, run.smooth, rate, run.figures if fresh else None))
        if stop:
            break


def _one_step(run: Run) -> float:
    config, model = run.config, run.objective.model
    for group in run.optimizer.param_groups:
        rate = config.learning_rate * schedule(run.step / config.steps, config.warmup)
        group["lr"] = rate * group.get(RATE, 1.0)
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


def _log(run: Run) -> None:
    line = {"step": run.step, "seconds": round(run.seconds, 1), "loss": round(run.smooth, 5), **run.figures}
    with (run.folder / METRICS).open("a", encoding="utf-8") as file:
        file.write(json.dumps(line, ensure_ascii=False) + "\n")


def _forget_after(step: int, path: Path) -> None:
    """Drop the lines of steps that are about to be taken again, and a last line that was cut off."""
    if not path.is_file():
        return
    kept = [line for line in path.read_text("utf-8", "replace").splitlines() if _step_of(line) <= step]
    write_atomic(path, "".join(f"{line}\n" for line in kept))


def _step_of(line: str) -> float:
    try:
        return float(json.loads(line)["step"])
    except (ValueError, KeyError, TypeError):
        return math.inf


def schedule(progress: float, warmup: float) -> float:
    """Return the factor on the learning rate: linear from 0.05 to 1 over the warm-up, then a cosine to 0.001."""
    if progress < warmup:
        return 0.05 + 0.95 * progress / warmup
    return 0.001 + 0.999 * (1 + math.cos(math.pi * (progress - warmup) / (1 - warmup))) / 2


def make_optimizer(
    model: nn.Module, config: FitConfig, rate: Callable[[str], float] | None = None
) -> torch.optim.Optimizer:
    """Return the optimizer, with weight decay on matrices only (not on biases, norms and scales).

    ``rate`` gives each parameter, by its name, a factor on the learning rate.
    """
    groups = _groups(model, config.weight_decay, rate) if rate else _two_groups(model.parameters(), config.weight_decay)
    if config.optimizer == "sgd":
        return torch.optim.SGD(groups, config.learning_rate, momentum=0.9, nesterov=True)
    return torch.optim.AdamW(groups, config.learning_rate, betas=(0.9, 0.98))


def _two_groups(parameters: Iterable[nn.Parameter], decay: float) -> list[dict[str, Any]]:
    trained = [p for p in parameters if p.requires_grad]
    matrices, rest = [p for p in trained if p.ndim > 1], [p for p in trained if p.ndim <= 1]
    return [{"params": matrices, "weight_decay": decay}, {"params": rest, "weight_decay": 0.0}]


def _groups(model: nn.Module, decay: float, rate: Callable[[str], float]) -> list[dict[str, Any]]:
    by_rate: dict[float, list[nn.Parameter]] = {}
    for name, parameter in model.named_parameters():
        by_rate.setdefault(rate(name), []).append(parameter)
    pairs = ((factor, group) for factor, some in by_rate.items() for group in _two_groups(some, decay))
    return [{**group, RATE: factor} for factor, group in pairs]
