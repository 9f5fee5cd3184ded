"""What a search leaves behind: the best configuration, the table of trials, a summary."""

from __future__ import annotations

import json
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import yaml

from clip_emotion.config import apply_override
from clip_emotion.csv_text import csv_text
from tuning.comparison import Comparison
from tuning.config import SearchConfig
from tuning.journal import TrialRecord
from tuning.objective import as_overrides
from tuning.space import Values, settings_at

BEST, TRIALS, SUMMARY = "best.yaml", "trials.csv", "summary.json"
PARALLEL, IMPORTANCE = "parallel.png", "importance.png"


def best_yaml(config: SearchConfig, base: Mapping[str, Any], best: TrialRecord) -> str:
    """Return a whole training configuration with the best trial's values; it opens with the command that runs it.

    The trials' own ``settings`` are no part of it.
    """
    values = json.loads(json.dumps(base, default=str))
    for line in as_overrides({**settings_at(config.space, best.values), "out": str(config.out / "best")}):
        apply_override(values, line)
    origin = f"{config.base} with the values of trial {int(best.name)} of {config.trials}"
    lines = [
        f"# clip-emotion train {shlex.quote(str(config.out / BEST))}",
        f"# {origin}: {config.metric} {best.value:.4f}",
    ]
    if config.settings:
        held = ", ".join(as_overrides(config.settings))
        lines.append(f"# The trials had besides, and this has not: {held}")
    body = yaml.safe_dump(values, sort_keys=False, allow_unicode=True, width=120)
    return "\n".join([*lines, body])


def trials_csv(config: SearchConfig, records: Sequence[TrialRecord]) -> str:
    """Return the trials as CSV, a row each: how it ended, its metrics, its values."""
    metrics = list(dict.fromkeys(name for record in records for name in record.metrics))
    others = [name for name in metrics if name != config.metric]
    header = ["trial", "status", config.metric, *config.space, "step", "seconds", *others, "error"]
    rows = (
        [
            int(record.name),
            record.status,
            record.value,
            *(shown(record.values[key]) for key in config.space),
            record.step,
            record.seconds,
            *(record.metrics.get(name) for name in others),
            record.error,
        ]
        for record in records
    )
    return csv_text(header, rows)


def summary_json(
    best: TrialRecord, defaults: Values, comparison: Comparison | None, verdict: str, important: Mapping[str, float]
) -> str:
    """Return what the search found, as JSON."""
    found = {
        "best": {"trial": int(best.name), "value": best.value, "figures": best.metrics, "values": best.values},
        "default": defaults,
        "comparison": asdict(comparison) if comparison else None,
        "verdict": verdict,
        "importance": important,
    }
    return json.dumps(found, ensure_ascii=False, indent=2) + "\n"


def shown(value: Any, width: int = 0) -> str:
    """Return a value as people read it in a cell: plain text and numbers as they are, groups as YAML in one line."""
    if isinstance(value, str):
        text = value
    elif isinstance(value, float):
        text = f"{value:.4g}"
    else:
        text = as_overrides({"": value})[0].removeprefix("=")
    return text if not width or len(text) <= width else text[: width - 1] + "…"


def sorted_for_people(records: Sequence[TrialRecord], sign: int) -> list[TrialRecord]:
    """Return the trials with the best first, the stopped after those that ran to their end, the failed last."""
    order = ("done", "stopped", "failed", "running")
    return sorted(records, key=lambda record: (order.index(record.status), -sign * (record.value or 0.0)))


def places(out: Path) -> dict[str, Path]:
    """Return where the results lie, by name."""
    return {name: out / name for name in (BEST, TRIALS, SUMMARY, PARALLEL, IMPORTANCE)}
