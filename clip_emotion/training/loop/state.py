"""The state of a training run, in memory and on disk."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, Generic, cast

import torch
from pydantic import ValidationError
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_model, save_model

from clip_emotion.errors import ModelError, UsageError
from clip_emotion.evaluation.measurement import Measurements
from clip_emotion.models.emotion_clip.checkpoint import RUN_STATE
from clip_emotion.models.weights_file import settle
from clip_emotion.training.loop.config import FitConfig
from clip_emotion.training.loop.objective import ModelT, Objective, ScaledObjective
from clip_emotion.training.loop.optim import averaged_copy, make_optimizer, read_optimizer_state, schedule
from clip_emotion.training.loop.run_folder import BEST, draft_name
from clip_emotion.training.loop.settings import RunSettings
from clip_emotion.training.parallel.process_group import ALONE, ProcessGroup
from clip_emotion.training.renamed import renamed


class TrainState(Generic[ModelT]):
    """The state of a run on disk and in memory.

    ``checkpoint.pt`` is the last state and holds tensors and numbers only; ``best.safetensors`` is the averaged model
    of the best validation, with its step and metrics in the file's own header. In a process group the main process
    alone reads and writes them.
    """

    def __init__(
        self,
        objective: Objective[ModelT],
        config: FitConfig,
        folder: Path,
        settings: RunSettings,
        processes: ProcessGroup = ALONE,
    ) -> None:
        self.objective, self.config, self.folder, self.settings = objective, config, folder, settings
        self.processes = processes
        lr_scale = objective.lr_scale if isinstance(objective, ScaledObjective) else None
        self.optimizer = make_optimizer(objective.model, config, lr_scale)
        self.device = next(objective.model.parameters()).device.type
        self.scaler = torch.amp.GradScaler(self.device, enabled=config.precision == "fp16")
        self.averaged = averaged_copy(objective.model, config.ema)
        self.learning = {name: p for name, p in objective.model.named_parameters() if p.requires_grad}
        self.step = 0
        self.seconds = 0.0
        self.smoothed_loss = math.nan
        self.smoothed_accuracy = math.nan
        self.metrics = Measurements()
        self.best: float | None = None
        self.best_step: int | None = None
        self.waited = 0

    @property
    def average(self) -> ModelT:
        """The averaged model, in training or eval mode as it was last put."""
        return cast("ModelT", self.averaged.module)

    @property
    def path(self) -> Path:
        """The checkpoint's file."""
        return self.folder / RUN_STATE

    @property
    def best_path(self) -> Path:
        """The best model's file."""
        return self.folder / BEST

    @property
    def out_of_patience(self) -> bool:
        """Whether no better model has come for as long as was to be waited."""
        stop = self.config.early_stop
        return stop is not None and stop.patience is not None and self.waited >= stop.patience

    @property
    def finished(self) -> bool:
        """Whether the last step is taken, or patience is at its end."""
        return self.step >= self.config.steps or self.out_of_patience

    def learning_rate(self, step: int) -> float:
        """Return the learning rate of a step, before the parameters' own factors."""
        return self.config.learning_rate * schedule(step / self.config.steps, self.config.warmup)

    def judge(self) -> bool:
        """Keep the averaged model where its metrics are the best so far, and tell whether they are.

        Raises UsageError where the metric to judge by is none of validation's.
        """
        stop = self.config.early_stop
        if stop is None:
            return False
        if stop.metric not in self.metrics:
            known = ", ".join(self.metrics)
            raise UsageError(f"fit.early_stop.metric '{stop.metric}' is no metric of validation, which gives {known}.")
        if not stop.better(self.metrics[stop.metric], self.best):
            self.waited += 1
            return False
        self.best, self.best_step, self.waited = self.metrics[stop.metric], self.step, 0
        if self.processes.is_main:
            draft = self.folder / draft_name(BEST)
            save_model(
                self.average, str(draft), {"step": str(self.step), "metrics": json.dumps(self.metrics.to_list())}
            )
            settle(draft)
            draft.replace(self.best_path)
        return True

    def recall_best(self) -> None:
        """Put the best model and its metrics in the place of the last; raises ModelError where its file is broken.

        In a process group only the main process has the averaged model, and so the best one.
        """
        self.metrics = Measurements.read(self.processes.broadcast_object(self._best_from_disk))

    def _best_from_disk(self) -> list[dict[str, Any]]:
        try:
            with safe_open(str(self.best_path), "pt") as file:
                header = file.metadata()
            # Earlier releases wrote a mapping, called figures.
            metrics = Measurements.read(json.loads(header.get("metrics") or header["figures"]))
            load_model(self.average, str(self.best_path))
        except (OSError, SafetensorError, RuntimeError, ValueError, KeyError, TypeError, AttributeError) as error:
            raise ModelError(
                f"The best model {self.best_path} cannot be read: train again, or use fit.select=last."
            ) from error
        return metrics.to_list()

    def save(self) -> None:
        """Write the checkpoint atomically; only the main process does."""
        if not self.processes.is_main:
            return
        state = {
            "model": self.objective.model.state_dict(),
            "average": self.average.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "scaler": self.scaler.state_dict(),
            "step": self.step,
            "seconds": self.seconds,
            "loss": self.smoothed_loss,
            "accuracy": self.smoothed_accuracy,
            "metrics": self.metrics.to_list(),
            "best": (self.best, self.best_step, self.waited),
            "config": self.config.model_dump(mode="json"),
            "settings": dict(self.settings.values),
        }
        draft = self.folder / draft_name(RUN_STATE)
        torch.save(state, draft)
        draft.replace(self.path)

    def load(self) -> None:
        """Go on from the checkpoint; raises ModelError when it is broken, UsageError when it is of other settings."""
        try:
            state: dict[str, Any] = self.processes.broadcast_object(self._state_on_disk)
            written = state["config"], state.get("settings", self.settings.values)
            self.step, self.seconds = state["step"], state["seconds"]
            # Earlier releases wrote a mapping, called figures.
            self.metrics = Measurements.read(state["metrics"] if "metrics" in state else state["figures"])
            self.smoothed_loss, self.smoothed_accuracy = state.get("loss", math.nan), state.get("accuracy", math.nan)
            self.best, self.best_step, self.waited = state.get("best", (None, None, 0))
            weights, average, optimizer = state["model"], state["average"], read_optimizer_state(state["optimizer"])
        except Exception as error:
            raise ModelError(f"The checkpoint {self.path} cannot be read: delete it to start afresh.") from error
        changed = self._changed(*written)
        if changed:
            raise self._other(f" ({changed})")
        try:
            self.objective.model.load_state_dict(weights)
            self.average.load_state_dict(average)
            self.averaged.n_averaged.fill_(self.step + 1)
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
        written = settings if isinstance(settings, Mapping) else {"settings": settings}
        before = renamed({"fit": config, **written}, notice=False)
        try:
            # Read anew, so that a checkpoint from before a setting existed is one with its default.
            before["fit"] = FitConfig.model_validate(before["fit"]).model_dump(mode="json")
        except ValidationError:
            return "its fit is of another version"
        now = {"fit": self.config.model_dump(mode="json"), **self.settings.values}
        return replace(self.settings, values=now).differ_from(before)
