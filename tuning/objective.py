"""One trial: a training run with other settings, in its own folder; nothing here knows the engine that asked for it."""

from __future__ import annotations

import gc
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import yaml

from clip_emotion.errors import ClipEmotionError

Status = Literal["running", "done", "stopped", "failed"]
Report = Callable[[int, dict[str, float]], bool]
"""Receives a step and the validation metrics there; returns True where the run is to stop."""
RUN_FOLDER = "run"


@dataclass(frozen=True)
class TrialResult:
    """How a trial ended, at which step, and its last validation metrics; ``error`` is a failed one's sentence."""

    status: Status
    step: int = 0
    metrics: dict[str, float] = field(default_factory=dict)
    error: str = ""


Objective = Callable[[Path, Mapping[str, Any], Path, Report], TrialResult]


class StopTrial(Exception):
    """Leaves a training run from within its report."""


def run_trial(base: Path, overrides: Mapping[str, Any], folder: Path, report: Report) -> TrialResult:
    """Train as the base configuration says, with the overrides, into ``folder/run``; metrics are reported as they come.

    A run that was cut off goes on from its checkpoint. Whatever fails, memory that runs out included, is an outcome
    and no error: it comes back as a sentence. Only KeyboardInterrupt passes.
    """
    from clip_emotion.training.loop.objective import Progress
    from clip_emotion.training.registry import train

    step, metrics = 0, dict[str, float]()

    def on_progress(progress: Progress) -> None:
        nonlocal step, metrics
        step = progress.step
        if progress.metrics is not None and step:  # what there is before the first step is no trial's doing
            metrics = dict(progress.metrics)
            if report(step, metrics):
                raise StopTrial

    lines = as_overrides({**overrides, "out": str(folder / RUN_FOLDER)})
    try:
        metrics = dict(train(base, lines, on_progress, resume=True).metrics)
    except StopTrial:
        return TrialResult("stopped", step, metrics)
    except ClipEmotionError as error:
        return TrialResult("failed", step, metrics, str(error))
    except Exception as error:  # noqa: BLE001 - a search outlives whatever one of its trials runs into
        return TrialResult("failed", step, metrics, f"{type(error).__name__}: {' '.join(str(error).split())}")
    finally:
        _free_memory()
    return TrialResult("done", step, metrics)


def as_overrides(values: Mapping[str, Any]) -> list[str]:
    """Return settings as the ``key=value`` lines that ``train`` takes."""
    return [f"{key}={_as_yaml(value)}" for key, value in values.items()]


def _as_yaml(value: Any) -> str:
    text = yaml.safe_dump(value, default_flow_style=True, allow_unicode=True, width=float("inf"))
    return text.removesuffix("\n").removesuffix("\n...")


def _free_memory() -> None:
    import torch

    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
