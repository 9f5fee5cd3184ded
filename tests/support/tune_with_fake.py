"""A search whose trials take no training; each run of a trial adds a line to FOLDER/out/runs.log."""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from clip_emotion.outputs import NEW
from tuning.config import SearchConfig
from tuning.journal import TrialRecord
from tuning.objective import Report, TrialResult

STEPS = 3
BEST_RATE = 1e-2


def height(values: Mapping[str, Any]) -> float:
    """A hill whose top is 1, at a rate of BEST_RATE, three blocks, and the balanced sampler."""
    import math

    rate: float = math.log10(values.get("fit.learning_rate", 1e-4) / BEST_RATE)
    depth: float = (values.get("model.depth", 1) - 3) / 3
    return 1.0 - 0.2 * rate**2 - 0.1 * depth**2 - 0.1 * (values.get("sampler.kind") != "balanced")


def climb(base: Path, values: Mapping[str, Any], folder: Path, report: Report) -> TrialResult:
    """An objective in no time, or in as many seconds as asked for; it fails or dies where the values say so."""
    with (folder.parent.parent / "runs.log").open("a", encoding="utf-8") as log:
        log.write(json.dumps([folder.name, values.get("fit.learning_rate")]) + "\n")
    if values.get("fail") == "sentence":
        return TrialResult("failed", error="It was asked to fail.")
    if values.get("fail") == "death":
        os._exit(9)
    top = height(values) + 0.001 * values.get("fit.seed", 0)
    for step in range(1, STEPS + 1):
        time.sleep(values.get("seconds", 0.0) / STEPS)
        if report(step, {"score": top * step / STEPS, "loss": 1 - top}):
            return TrialResult("stopped", step, {"score": top * step / STEPS, "loss": 1 - top})
    return TrialResult("done", STEPS, {"score": top, "loss": 1 - top})


def tell(record: TrialRecord) -> None:
    print(record.name, record.status, record.value, file=sys.stderr)


BASE = """\
kind: mini_image
seed: 0
sampler: {kind: shuffled}
model: {depth: 1}
fit: {learning_rate: 1.0e-4, seed: 0}
fail: never
"""


def search(folder: Path, **changes: Any) -> SearchConfig:
    """A search of eight trials over a rate, a depth and a sampler."""
    base = folder / "base.yaml"
    if not base.exists():
        base.parent.mkdir(parents=True, exist_ok=True)
        base.write_text(BASE, encoding="utf-8")
    values = {
        "base": str(base),
        "out": str(folder / "out"),
        "metric": "score",
        "trials": 8,
        "engine": "local",
        "searcher": {"kind": "random"},
        "scheduler": {"kind": "none"},
        "space": {
            "fit.learning_rate": {"kind": "loguniform", "low": 1e-5, "high": 1e-1},
            "model.depth": {"kind": "int", "low": 0, "high": 4},
            "sampler.kind": {"kind": "choice", "values": ["balanced", "shuffled"]},
        },
    }
    return SearchConfig.model_validate({**values, **changes})


def run_search(folder: Path, changes: Mapping[str, Any]) -> None:
    """Search: the target of a process that can be killed."""
    from tuning.search import tune

    tune(search(folder, **changes), tell, NEW, climb)
