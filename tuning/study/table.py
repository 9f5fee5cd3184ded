"""A study's table: its columns for people, and the same rows as CSV, JSON lines and one JSON."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from clip_emotion.csv_text import csv_text
from clip_emotion.evaluation.result import finite
from tuning.comparison import Interval
from tuning.study.config import StudyConfig
from tuning.study.results import RATES, RowResult

NOTHING, UNKNOWN = "–", "not at hand"
Table = tuple[tuple[str, ...], list[tuple[str, ...]]]
"""The columns' names and the rows' cells."""


def rates_table(config: StudyConfig, rows: Sequence[RowResult]) -> Table:
    """Return a row's rates with their intervals, its gains on the baseline, and the origin's figure if it is known."""
    published = bool(config.origin)
    measured = ("accuracy", "macro recall", f"accuracy against {config.compared_with}", "macro recall against it")
    columns = ("row", "seeds", *measured, "weights", "seconds", *([config.origin] if published else []))
    return columns, [_cells(row, published) for row in rows]


def _cells(row: RowResult, published: bool) -> tuple[str, ...]:
    name = f"{row.name}: {row.about}" if row.about else row.name
    origin = (UNKNOWN if row.origin is None else f"{row.origin:.4f}",) if published else ()
    seeds = f"{row.done} of {row.wanted}" if row.done < row.wanted else str(row.done)
    if not row.done:
        return (name, seeds, *("failed" if row.errors else NOTHING, *(NOTHING,) * 5), *origin)
    rates = (_rate(row, rate) for rate in RATES[:2])
    gains = (_gain(row.gains.get(rate)) for rate in RATES[:2])
    return name, seeds, *rates, *gains, _count(row.parameters), f"{row.seconds:.0f}", *origin


def _rate(row: RowResult, rate: str) -> str:
    found, spread = row.rates[rate], row.spread[rate]
    shown = f"{found.mean:.3f}" + ("" if spread is None else f" ± {spread:.3f}")
    return f"{shown} [{found.low:.3f}, {found.high:.3f}]"


def _gain(gain: Interval | None) -> str:
    return NOTHING if gain is None else f"{gain.mean:+.3f} [{gain.low:+.3f}, {gain.high:+.3f}]"


def _count(parameters: int) -> str:
    return f"{parameters / 1e6:.2f} M"


def classes_table(rows: Sequence[RowResult]) -> Table:
    """Return the recall and F1 of each class in each row that has some, as ``recall / F1``."""
    ended = [row for row in rows if row.done]
    keys = list(dict.fromkeys(key for row in ended for key in row.recall))
    cells = [
        (row.name, *(f"{row.recall[key]:.3f} / {row.f1[key]:.3f}" if key in row.recall else NOTHING for key in keys))
        for row in ended
    ]
    return ("recall / F1", *keys), cells


def flat(row: RowResult) -> dict[str, Any]:
    """Return a row as one level of names and values, None where there is none."""
    values: dict[str, Any] = {name: getattr(row, name) for name in ("name", "about", "origin", "done", "wanted")}
    values |= {name: getattr(row, name) for name in ("images", "parameters", "seconds")}
    for rate in RATES:
        found, gain = row.rates.get(rate), row.gains.get(rate)
        values |= {rate: found and found.mean, f"{rate}_low": found and found.low, f"{rate}_high": found and found.high}
        values |= {f"{rate}_spread": row.spread.get(rate), f"{rate}_gain": gain and gain.mean}
        values |= {f"{rate}_gain_low": gain and gain.low, f"{rate}_gain_high": gain and gain.high}
    values |= {f"recall_{key}": value for key, value in row.recall.items()}
    values |= {f"f1_{key}": value for key, value in row.f1.items()}
    return {**values, "errors": "; ".join(row.errors)}


def csv_table(rows: Sequence[RowResult]) -> str:
    """Return the rows as CSV, in full precision."""
    flattened = [flat(row) for row in rows]
    names = list(dict.fromkeys(name for row in flattened for name in row if name != "errors"))
    return csv_text([*names, "errors"], ([row.get(name) for name in [*names, "errors"]] for row in flattened))


def jsonl_table(rows: Sequence[RowResult]) -> str:
    """Return the rows as JSON lines, in full precision."""
    return "".join(json.dumps(finite(flat(row)), ensure_ascii=False) + "\n" for row in rows)


def markdown(table: Table) -> str:
    """Return a table as Markdown, numbers to the right."""
    columns, rows = table
    lines = [columns, ("---", *("---:" for _ in columns[1:])), *rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def study_json(config: StudyConfig, rows: Sequence[RowResult]) -> str:
    """Return the whole study as JSON: its configuration, and each row's rates, gains and classes."""
    found = {
        "title": config.title,
        "baseline": config.compared_with,
        "origin": config.origin,
        "rows": {row.name: asdict(row) for row in rows},
        "study": config.model_dump(mode="json"),
    }
    return json.dumps(finite(found), ensure_ascii=False, indent=1) + "\n"
