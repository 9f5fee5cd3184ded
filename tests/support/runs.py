"""Fine-tuning in tests: from a mapping of settings to the metrics of the run."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from typing import Any

import pytest

from clip_emotion.config import validate
from clip_emotion.training.finetune.config import FinetuneConfig
from clip_emotion.training.finetune.stage import train_emotion_clip
from clip_emotion.training.loop.objective import Progress
from clip_emotion.training.stage import RunOptions


def from_the_first_step(report: Callable[[Progress], object]) -> Callable[[Progress], None]:
    """A callback that is told of steps only, not of the validation before them."""

    def told(progress: Progress) -> None:
        if progress.step:
            report(progress)

    return told


def finetune(
    values: dict[str, Any], report: Callable[[Progress], object] = lambda progress: None, resume: bool = False
) -> dict[str, float]:
    options = RunOptions("test", from_the_first_step(report), resume)
    return dict(train_emotion_clip(validate(FinetuneConfig, values, "test"), options).metrics)


def interrupt_at(patched: pytest.MonkeyPatch, objective: type[Any], step: int) -> None:
    """Press Ctrl-C when a kind of objective computes the loss of a step."""
    whole_step = objective.loss

    def interrupted(self: Any, at: int, progress: float) -> object:
        if at == step:
            os.kill(os.getpid(), signal.SIGINT)
        return whole_step(self, at, progress)

    patched.setattr(objective, "loss", interrupted)
