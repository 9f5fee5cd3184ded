"""What a trained model came to, class by class: a table for people, the numbers as JSON and the confusion matrix."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from clip_emotion.errors import DataError
from clip_emotion.evaluation.plots.classification import confusion_figure
from clip_emotion.evaluation.result import ClassTable, Evaluation, finite
from clip_emotion.files import write_atomic
from clip_emotion.plotting import figure_png

CLASSES_FILE, CONFUSION_FILE = "validation.json", "confusion.png"


def write_classes(found: Evaluation, folder: Path) -> tuple[ClassTable, ...]:
    """Write ``validation.json`` and ``confusion.png`` into the run's folder, and return the table of the classes."""
    assert found.metrics is not None
    assert found.metrics.confusion is not None
    values = json.dumps(finite(found.to_dict()), ensure_ascii=False, indent=2)
    write_atomic(folder / CLASSES_FILE, f"{values}\n")
    names = [found.name(key) for key in found.metrics.labels]
    title = f"{found.split} · {found.vocabulary} ({found.language})"
    write_atomic(folder / CONFUSION_FILE, figure_png(confusion_figure(found.metrics.confusion, names, title)))
    return tuple(found.tables())


def read_classes(folder: Path) -> dict[str, Any]:
    """Read the ``validation.json`` of a run's folder; raises DataError where it cannot be read."""
    path = folder / CLASSES_FILE
    try:
        values: dict[str, Any] = json.loads(path.read_text("utf-8"))
        return {**values, "per_class": dict(values["per_class"])}
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise DataError(f"{path} cannot be read: delete the run's folder, and train it again.") from error
