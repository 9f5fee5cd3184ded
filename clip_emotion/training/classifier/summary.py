"""What a trained classifier came to: its classes, and its answer to each image of validation."""

from __future__ import annotations

import csv
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from clip_emotion.csv_text import csv_text, unguarded
from clip_emotion.errors import DataError
from clip_emotion.evaluation.metrics import classification_metrics, rank
from clip_emotion.evaluation.result import ClassTable, Evaluation
from clip_emotion.files import write_atomic
from clip_emotion.training.class_summary import write_classes
from clip_emotion.training.classifier.objective import ClassifierObjective
from clip_emotion.vocabulary import Vocabulary

ANSWERS_FILE = "validation_answers.csv"
COLUMNS = ("sha", "path", "label", "answer", "probability")


def write_summary(objective: ClassifierObjective, logits: Mapping[str, Tensor], folder: Path) -> tuple[ClassTable, ...]:
    """Write what the logits of the main validation split say, and return the table of its classes.

    Only the classes that the split has stand for choice, as in the metrics of the run.
    """
    split = next(iter(objective.validation))
    vocabulary = Vocabulary.load(objective.config.vocabulary)
    there, targets = torch.unique(objective.validation[split][1], return_inverse=True)
    probabilities, keys = logits[split][:, there].softmax(dim=1).numpy(), [vocabulary.keys[at] for at in there.tolist()]
    found = Evaluation(
        data=", ".join(objective.splits.fingerprints),
        split=split,
        model=str(objective.config.out),
        fingerprint="",
        vocabulary=vocabulary.name,
        language="en",
        n=len(targets),
        names={label.key: label.name("en") for label in vocabulary.labels},
        metrics=classification_metrics(probabilities, targets.numpy(), keys),
    )
    rows, best = objective.splits.validation[split], rank(probabilities, 1)[:, 0]
    lines = (
        (sha, path, keys[label], keys[answer], round(float(row[answer]), 4))
        for sha, path, label, answer, row in zip(
            rows["sha"], rows["path"], targets.tolist(), best.tolist(), probabilities, strict=True
        )
    )
    write_atomic(folder / ANSWERS_FILE, csv_text(COLUMNS, lines))
    return write_classes(found, folder)


@dataclass(frozen=True)
class ValidationAnswers:
    """The true class and the answer of each image of validation, and which images these are."""

    images: tuple[str, ...]
    labels: tuple[str, ...]
    answers: tuple[str, ...]


def read_answers(folder: Path) -> ValidationAnswers:
    """Read what ``write_summary`` wrote into a run's folder; raises DataError where it cannot be read."""
    path = folder / ANSWERS_FILE
    try:
        with path.open(encoding="utf-8", newline="") as file:
            rows = list(csv.DictReader(file))
        columns = [tuple(unguarded(row[name]) for row in rows) for name in ("sha", "label", "answer")]
    except (OSError, ValueError, KeyError, TypeError, csv.Error) as error:
        raise DataError(f"{path} cannot be read: delete the run's folder, and train it again.") from error
    return ValidationAnswers(*columns)
