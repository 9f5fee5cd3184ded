"""Likely wrong labels, by confident learning (Northcutt et al., 1911.00068) on out-of-sample probabilities."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from clip_emotion.arrays import FloatingArray
from clip_emotion.config import Config
from clip_emotion.csv_text import csv_text
from clip_emotion.errors import DataError, MissingExtraError

FOLDS = 5
MAX_STEPS = 300
"""Most steps of the logistic regression's solver."""


@dataclass(frozen=True)
class CheckedRows:
    """The pictures whose labels are checked, one entry a row: split, path, label as a position in ``names``, hash."""

    splits: Sequence[str]
    paths: Sequence[str]
    labels: NDArray[np.int64]
    shas: Sequence[str]
    names: Sequence[str]


class LabelIssue(Config):
    """One picture whose label is likely wrong: ``quality`` is the probability of its given label, in [0, 1].

    ``row`` is its place among the rows that were checked.
    """

    row: int
    split: str
    path: str
    given: str
    suggested: str
    quality: float


class LabelIssueReport(Config):
    """What a check of labels found, the likeliest mistakes first.

    ``unchecked`` are labels that too few pictures carry, with their number.
    """

    checked: int
    issues: list[LabelIssue]
    unchecked: dict[str, int]


def require_cleanlab() -> None:
    """Raise MissingExtraError, which holds the line that installs it, unless cleanlab is there."""
    try:
        import cleanlab.filter  # noqa: F401
    except ImportError as error:
        raise MissingExtraError("Label checks", "cleanlab", "labels") from error


def cross_validated_issues(
    rows: CheckedRows, embeddings: FloatingArray, folds: int = FOLDS, seed: int = 0
) -> LabelIssueReport:
    """Check labels against what the other pictures' labels make of an encoder's embeddings [N, D].

    Labels that fewer than ``folds`` different pictures carry are not checked. Raises MissingExtraError without
    cleanlab, DataError where fewer than two labels are left.
    """
    require_cleanlab()
    kept = np.flatnonzero(enough_images(rows.labels.tolist(), rows.shas, folds))
    classes, labels = np.unique(rows.labels[kept], return_inverse=True)
    groups = [rows.shas[row] for row in kept.tolist()]
    probabilities = out_of_sample_probabilities(embeddings[kept], labels, groups, folds, seed)
    return _report(rows, kept, classes, labels, probabilities)


def model_issues(rows: CheckedRows, probabilities: FloatingArray) -> LabelIssueReport:
    """Check labels against a model's own probabilities [N, C] of ``rows.names``; labels that no row has are left aside.

    Raises MissingExtraError without cleanlab, DataError where all rows carry one label.
    """
    require_cleanlab()
    classes, labels = np.unique(rows.labels, return_inverse=True)
    if len(classes) < 2:
        raise DataError("Labels are compared with each other, but all rows carry the same one.")
    known = probabilities[:, classes]
    return _report(rows, np.arange(len(labels)), classes, labels, known / known.sum(axis=1, keepdims=True))


def _report(
    rows: CheckedRows,
    kept: NDArray[np.int64],
    classes: NDArray[np.int64],
    labels: NDArray[np.int64],
    probabilities: FloatingArray,
) -> LabelIssueReport:
    ranked, quality = find_label_issues(labels, probabilities)
    best = probabilities.argmax(axis=1)
    issues = [
        LabelIssue(
            row=int(row),
            split=rows.splits[row],
            path=rows.paths[row],
            given=rows.names[rows.labels[row]],
            suggested=rows.names[classes[best[at]]],
            quality=round(float(quality[at]), 4),
        )
        for at, row in zip(ranked, kept[ranked], strict=True)
    ]
    left = Counter(rows.names[label] for label in np.delete(rows.labels, kept).tolist())
    return LabelIssueReport(checked=len(kept), issues=issues, unchecked=dict(left))


def issues_csv(issues: Sequence[LabelIssue]) -> str:
    """Return the issues as CSV: split, path, given, suggested, quality."""
    columns = ("split", "path", "given", "suggested", "quality")
    return csv_text(columns, ([getattr(issue, column) for column in columns] for issue in issues))


def enough_images(labels: Sequence[int], groups: Sequence[str], folds: int = FOLDS) -> NDArray[np.bool_]:
    """Tell, row by row, whether its label is carried by at least ``folds`` different pictures."""
    images = Counter(label for label, _ in set(zip(labels, groups, strict=True)))
    return np.array([images[label] >= folds for label in labels], dtype=np.bool_)


def out_of_sample_probabilities(
    embeddings: FloatingArray, labels: NDArray[np.int64], groups: Sequence[str], folds: int = FOLDS, seed: int = 0
) -> FloatingArray:
    """Return each row's class probabilities [N, C] from a logistic regression that has not seen the row's picture.

    ``embeddings`` are [N, D], ``labels`` [N] cover 0 to C - 1, rows of equal group fall into one of the ``folds``,
    which are stratified. Raises DataError for fewer than two classes.
    """
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import StratifiedGroupKFold, cross_val_predict
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    classes = len(np.unique(labels))
    if classes < 2:
        raise DataError(f"Labels are compared with each other: {classes} class(es) with {folds} pictures are too few.")
    model = make_pipeline(StandardScaler(), LogisticRegression(C=0.1, max_iter=MAX_STEPS))
    cuts = StratifiedGroupKFold(folds, shuffle=True, random_state=seed)
    probabilities: FloatingArray = cross_val_predict(
        model, embeddings, labels, groups=np.asarray(groups), cv=cuts, method="predict_proba"
    )
    return probabilities


def find_label_issues(
    labels: NDArray[np.int64], probabilities: FloatingArray
) -> tuple[NDArray[np.int64], FloatingArray]:
    """Return the rows whose labels are likely wrong, worst first, and every row's label quality [N].

    ``labels`` [N] and ``probabilities`` [N, C] are of classes 0 to C - 1; a row's quality is the probability of its
    label. Raises MissingExtraError without cleanlab.
    """
    require_cleanlab()
    from cleanlab.filter import find_label_issues as find
    from cleanlab.rank import get_label_quality_scores

    ranked = find(labels, probabilities, return_indices_ranked_by="self_confidence", n_jobs=1)
    return np.asarray(ranked, dtype=np.int64), get_label_quality_scores(labels, probabilities, method="self_confidence")
