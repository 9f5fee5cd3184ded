"""The state of a training run, in memory and on disk."""

from __future__ import annotations

import copy
import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from pydantic import ValidationError
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_model, save_model

from clip_emotion.errors import ModelError, UsageError
from clip_emotion.models.emotion_clip.checkpoint import RUN_STATE
from clip_emotion.training.loop.config import FitConfig
from clip_emotion.training.loop.objective import Objective, RatedObjective, Settings
from clip_emotion.training.loop.optim import make_optimizer, schedule
from clip_emotion.training.parallel.process_group import ALONE, Team

SHOWN, ABSENT = 3, "absent"
"""How many settings that differ are named, and the value of one that is not there."""


class Run:
    """The state of a run on disk and in memory.

    ``checkpoint.pt`` is the last state and holds tensors and numbers only; ``best.safetensors`` is the averaged model
    of the best validation, with its step and figures in the file's own header. Of a team the first member alone reads
    and writes them.
    """

    def __init__(
        self, objective: Objective, config: FitConfig, folder: Path, settings: Settings, team: Team = ALONE
    ) -> None:
        self.objective, self.config, self.folder, self.settings = objective, config, folder, settings
        self.team = team
        rate = objective.rate if isinstance(objective, RatedObjective) else None
        self.optimizer = make_optimizer(objective.model, config, rate)
        self.device = next(objective.model.parameters()).device.type
        self.scaler = torch.amp.GradScaler(self.device, enabled=config.precision == "fp16")
        self.average = copy.deepcopy(objective.model).requires_grad_(False)
        self.learning = {name: p for name, p in objective.model.named_parameters() if p.requires_grad}
        self.step = 0
        self.seconds = 0.0
        self.smooth = math.nan
        self.accuracy = math.nan
        self.figures: dict[str, float] = {}
        self.best: float | None = None
        self.best_step: int | None = None
        self.waited = 0

    @property
    def path(self) -> Path:
        """The checkpoint's file."""
        return self.folder / RUN_STATE

    @property
    def best_path(self) -> Path:
        """The best model's file."""
        return self.folder / "best.safetensors"

    @property
    def finished(self) -> bool:
        """Whether the last step is done, or no better model has come for as long as was to be waited."""
        stop = self.config.early_stop
        patient = stop is None or stop.patience is None or self.waited < stop.patience
        return self.step >= self.config.steps or not patient

    def learning_rate(self, step: int) -> float:
        """Return the learning rate of a step, before the parameters' own factors."""
        return self.config.learning_rate * schedule(step / self.config.steps, self.config.warmup)

    def judge(self) -> bool:
        """Keep the averaged model where its figures are the best so far, and tell whether they are.

        Raises UsageError where the figure to judge by is none of validation's.
        """
        stop = self.config.early_stop
        if stop is None:
            return False
        if stop.metric not in self.figures:
            known = ", ".join(self.figures)
            raise UsageError(f"fit.early_stop.metric '{stop.metric}' is no figure of validation, which gives {known}.")
        if not stop.better(self.figures[stop.metric], self.best):
            self.waited += 1
            return False
        self.best, self.best_step, self.waited = self.figures[stop.metric], self.step, 0
        if not self.team.first:
            return True
        header = {"step": str(self.step), "figures": json.dumps(self.figures)}
        temporary = self.best_path.with_suffix(".tmp")
        save_model(self.average, str(temporary), header)
        temporary.replace(self.best_path)
        return True

    def recall_best(self) -> None:
        """Put the best model and its figures in the place of the last; raises ModelError where its file is broken.

        Of a team only the first member has the averaged model, and so the best one.
        """
        self.figures = self.team.told(self._best_from_disk)

    def _best_from_disk(self) -> dict[str, float]:
        try:
            with safe_open(str(self.best_path), "pt") as file:
                figures: dict[str, float] = json.loads(file.metadata()["figures"])
            load_model(self.average, str(self.best_path))
        except (OSError, SafetensorError, RuntimeError, ValueError, KeyError, TypeError) as error:
            raise ModelError(
                f"The best model {self.best_path} cannot be read: train again, or use fit.keep=last."
            ) from error
        return figures

    def save(self) -> None:
        """Write the checkpoint atomically; only the first member of a team does."""
        if not self.team.first:
            return
        state = {
            "model": self.objective.model.state_dict(),
            "average": self.average.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "scaler": self.scaler.state_dict(),
            "step": self.step,
            "seconds": self.seconds,
            "loss": self.smooth,
            "accuracy": self.accuracy,
            "figures": self.figures,
            "best": (self.best, self.best_step, self.waited),
            "config": self.config.model_dump(mode="json"),
            "settings": self.settings,
        }
        temporary = self.path.with_suffix(".tmp")
        torch.save(state, temporary)
        temporary.replace(self.path)

    def load(self) -> None:
        """Go on from the checkpoint; raises ModelError when it is broken, UsageError when it is of other settings."""
        try:
            state: dict[str, Any] = self.team.told(self._state_on_disk)
            written = state["config"], state.get("settings", self.settings)
            self.step, self.seconds, self.figures = state["step"], state["seconds"], state["figures"]
            self.smooth, self.accuracy = state.get("loss", math.nan), state.get("accuracy", math.nan)
            self.best, self.best_step, self.waited = state.get("best", (None, None, 0))
            weights, average, optimizer = state["model"], state["average"], state["optimizer"]
        except Exception as error:
            raise ModelError(f"The checkpoint {self.path} cannot be read: delete it to start afresh.") from error
        changed = self._changed(*written)
        if changed:
            raise self._other(f" ({changed})")
        try:
            self.objective.model.load_state_dict(weights)
            self.average.load_state_dict(average)
            self.optimizer.load_state_dict(optimizer)
            self.scaler.load_state_dict(state.get("scaler", self.scaler.state_dict()))
        except (RuntimeError, ValueError) as error:
            raise self._other() from error

    def _other(self, changed: str = "") -> UsageError:
        return UsageError(
            f"{self.path} was made with other settings{changed}: restore them, or use another out=FOLDER."
        )

    def _state_on_disk(self) -> dict[str, Any]:
        state: dict[str, Any] = torch.load(self.path, map_location="cpu", weights_only=True)
        return state

    def _changed(self, config: object, settings: object) -> str:
        """Return what differs from the run that wrote the checkpoint, and nothing where all is the same."""
        try:
            # Read anew, so that a checkpoint from before a setting existed is one with its default.
            before = FitConfig.model_validate(config).model_dump(mode="json")
        except ValidationError:
            return "its fit is of another version"
        now = self.config.model_dump(mode="json")
        return difference({"fit": before, **_mapping(settings)}, {"fit": now, **self.settings})


def difference(before: Mapping[str, Any], now: Mapping[str, Any]) -> str:
    """Return the settings that differ, by their names with dots, with both values; empty where none does."""
    old, new = _flat(before), _flat(now)
    names = [name for name in dict.fromkeys([*old, *new]) if old.get(name, ABSENT) != new.get(name, ABSENT)]
    shown = [f"{name} was {old.get(name, ABSENT)}, now {new.get(name, ABSENT)}" for name in names[:SHOWN]]
    return "; ".join([*shown, *([f"{len(names) - SHOWN} more"] if len(names) > SHOWN else [])])


def _flat(values: Mapping[str, Any], head: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for name, value in values.items():
        whole = f"{head}{name}"
        flat.update(_flat(value, f"{whole}.") if isinstance(value, Mapping) and value else {whole: value})
    return flat


def _mapping(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {"settings": value}
