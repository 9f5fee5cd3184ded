"""The trials of a search on disk, one folder each with ``trial.json``, written as metrics come, by every engine."""

from __future__ import annotations

import json
import math
import shutil
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from clip_emotion.errors import DataError
from clip_emotion.files import write_atomic
from tuning.objective import RUN_FOLDER, Objective, Status, TrialResult
from tuning.space import Values

FILE = "trial.json"
METRICS = "metrics.jsonl"
History = tuple[tuple[int, float], ...]
"""Steps and the metric there, in the order of validation."""


@dataclass(frozen=True)
class TrialRecord:
    """A trial as far as it has come.

    ``values`` are those of the axes by their names, ``overrides`` all settings over the base configuration. ``value``
    is the last figure named by the search's metric, None before the first.
    """

    name: str
    values: Values
    overrides: Values
    status: Status = "running"
    history: History = ()
    value: float | None = None
    step: int = 0
    metrics: dict[str, float] = field(default_factory=dict)
    seconds: float = 0.0
    error: str = ""

    @property
    def ended(self) -> bool:
        """Tell whether the trial is over, for better or worse."""
        return self.status != "running"


Tell = Callable[[TrialRecord], None]


class Journal:
    """Records of trials in sub-folders of one folder."""

    def __init__(self, folder: Path, metric: str) -> None:
        self.folder, self.metric = folder, metric

    def place(self, name: str) -> Path:
        """Return a trial's own folder."""
        return self.folder / name

    def read(self, name: str) -> TrialRecord | None:
        """Return a trial's record, None where it has not begun; raises DataError where it cannot be read."""
        path = self.place(name) / FILE
        try:
            values = json.loads(path.read_text("utf-8"))
            return _record_of(values)
        except FileNotFoundError:
            return None
        except (OSError, ValueError, TypeError, KeyError) as error:
            raise DataError(f"{path} cannot be read: delete it, and the trial runs again.") from error

    def records(self) -> list[TrialRecord]:
        """Return the trials that have begun, by name."""
        found = (self.read(path.parent.name) for path in sorted(self.folder.glob(f"*/{FILE}")))
        return [record for record in found if record]

    def write(self, record: TrialRecord) -> TrialRecord:
        """Keep a record, atomically, and hand it back."""
        text = json.dumps(asdict(record), ensure_ascii=False, indent=1)
        write_atomic(self.place(record.name) / FILE, text + "\n")
        return record

    def end(self, name: str, status: Status, error: str = "") -> TrialRecord:
        """Give a trial its end, unless it has one; returns its record."""
        record = self.read(name)
        if record is None:
            raise DataError(f"{self.place(name)} is gone: the search can go on with --resume.")
        return record if record.ended else self.write(replace(record, status=status, error=error))

    def tidy(self, names: Iterable[str]) -> None:
        """Delete the weights and checkpoints of trials that have ended; their ``metrics.jsonl`` stays."""
        for name in names:
            run = self.place(name) / RUN_FOLDER
            if (run / METRICS).is_file():
                (run / METRICS).replace(self.place(name) / METRICS)
            shutil.rmtree(run, ignore_errors=True)


def _record_of(values: dict[str, Any]) -> TrialRecord:
    # Journals of the first release have "figures" for what is "metrics" now.
    named = {"metrics" if key == "figures" else key: value for key, value in values.items()}
    return TrialRecord(**{**named, "history": tuple((step, value) for step, value in values["history"])})


def carry_out(
    journal: Journal, record: TrialRecord, base: Path, objective: Objective, stop: Callable[[History], bool]
) -> TrialRecord:
    """Run a trial that has begun, to its end, and keep its record as metrics come.

    ``stop`` sees all metrics so far after each validation and tells whether the trial is to end there. A record that
    has its end already comes back as it is.
    """
    if record.ended:
        return record
    began, last = time.monotonic() - record.seconds, record

    def report(step: int, metrics: dict[str, float]) -> bool:
        nonlocal last
        value = metrics.get(journal.metric)
        if value is None or not math.isfinite(value):
            return True
        # A run that goes on from its checkpoint validates again what came after it.
        history = (*((at, seen) for at, seen in last.history if at < step), (step, value))
        seconds = round(time.monotonic() - began, 1)
        last = replace(last, history=history, value=value, step=step, metrics=metrics, seconds=seconds)
        journal.write(last)
        return stop(history)

    result = objective(base, record.overrides, journal.place(record.name), report)
    return journal.write(_ended(last, result, journal.metric, time.monotonic() - began))


def _ended(record: TrialRecord, result: TrialResult, metric: str, seconds: float) -> TrialRecord:
    value = result.metrics.get(metric)
    seconds = round(seconds, 1)
    if result.status == "failed":
        return replace(record, status="failed", seconds=seconds, error=result.error, step=result.step)
    if value is None or not math.isfinite(value):
        known = ", ".join(result.metrics) or "none"
        what = f"The run has no metric '{metric}'" if value is None else f"The run's metric '{metric}' is {value}"
        error = f"{what}: its metrics are {known}."
        return replace(record, status="failed", seconds=seconds, error=error, step=result.step, value=None)
    at, metrics = result.step or record.step, result.metrics
    return replace(record, status=result.status, seconds=seconds, value=value, step=at, metrics=metrics)


def best_of(records: Sequence[TrialRecord], sign: int) -> TrialRecord | None:
    """Return the best trial among those that ran to their end, None where none did."""
    done = [record for record in records if record.status == "done" and record.value is not None]
    return max(done, key=lambda record: sign * (record.value or 0.0), default=None)
