"""Class counts of a prepared data set."""

from __future__ import annotations

from collections import Counter

from datasets import ClassLabel, Dataset, DatasetDict

LABEL_COLUMNS = ("label", "labels", "rating")
VOTE_EXTRAS = ("path",)


def class_counts(prepared: DatasetDict) -> dict[str, dict[str, int]]:
    """Return, per split, how many rows carry each label (or rating), or how many votes each emotion got."""
    return {split: _counts(data) for split, data in prepared.items()}


def _counts(data: Dataset) -> dict[str, int]:
    column = next((name for name in LABEL_COLUMNS if name in data.features), None)
    if column is None:
        votes = [name for name in data.column_names if name not in VOTE_EXTRAS]
        return {name: int(sum(data[name])) for name in votes}
    feature = getattr(data.features[column], "feature", data.features[column])
    values = list(data[column])
    flat = [item for value in values for item in value] if column == "labels" else values
    counts = Counter(flat)
    if isinstance(feature, ClassLabel):
        return {name: counts[place] for place, name in enumerate(feature.names)}
    return {str(value): counts[value] for value in sorted(counts)}
