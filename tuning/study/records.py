"""What is on disk of a study's runs: each one's settings, how it ended, and what it came to."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

from clip_emotion.errors import DataError
from clip_emotion.evaluation.result import finite
from clip_emotion.files import write_atomic

RECORD = "study_run.json"
Status = Literal["running", "done", "failed"]


@dataclass(frozen=True)
class RunRecord:
    """A run of a study as far as it has come; ``metrics`` are those of ``validation.json``, ``error`` a sentence.

    ``images`` [N] are the validation images' hashes, ``labels`` and ``answers`` [N] their true classes and what the
    network said, as numbers of ``classes``.
    """

    row: str
    seed: int
    settings: dict[str, Any]
    status: Status = "running"
    error: str = ""
    seconds: float = 0.0
    parameters: int = 0
    metrics: dict[str, Any] = field(default_factory=dict)
    classes: tuple[str, ...] = ()
    images: tuple[str, ...] = ()
    labels: tuple[int, ...] = ()
    answers: tuple[int, ...] = ()

    def write(self, folder: Path) -> RunRecord:
        """Keep the record, atomically, and hand it back."""
        write_atomic(folder / RECORD, json.dumps(finite(asdict(self)), ensure_ascii=False) + "\n")
        return self


def read_record(folder: Path) -> RunRecord | None:
    """Return a run's record, None where it has not begun; raises DataError where it cannot be read."""
    path = folder / RECORD
    try:
        values = json.loads(path.read_text("utf-8"))
        lists = {name: tuple(values[name]) for name in ("classes", "images", "labels", "answers")}
        return RunRecord(**{**values, **lists})
    except FileNotFoundError:
        return None
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise DataError(f"{path} cannot be read: delete it, and the run begins again.") from error
