"""Rows of a labeller together: a list of them, and that list as a pandas table."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from clip_emotion.errors import MissingExtraError
from clip_emotion.types import Prediction

if TYPE_CHECKING:
    from pandas import DataFrame

FACE = ("index", "box", "confidence", "part", "note")
LABEL = ("label", "name", "probability", "similarity")
COLUMNS = ("path", *(f"face.{name}" for name in FACE), "rank", *LABEL, "model", "error")
DIMENSIONS = ("valence", "arousal")


class Predictions(list[Prediction]):
    """The rows of a labeller, in order; ``Predictions(labeller.stream(images))`` gathers those of a stream."""

    def to_dicts(self) -> list[dict[str, Any]]:
        """Return each row as the mapping that its JSON line holds."""
        return [row.to_dict() for row in self]

    def to_pandas(self) -> DataFrame:
        """Return a table with a line a word: a row's own values, the word's ``rank`` from 1, and its values.

        The columns are named as in a JSON line, with ``face.part`` for what stands in ``face``. A row without words,
        whose ``error`` says why, is one line of rank 0. ``valence`` and ``arousal`` stand last where rows have them.
        Raises MissingExtraError without pandas.
        """
        try:
            import pandas
        except ImportError as error:
            raise MissingExtraError("to_pandas", "pandas", "pandas") from error
        columns = (*COLUMNS, *(DIMENSIONS if any(row.dimensions for row in self) else ()))
        return pandas.DataFrame.from_records([line for row in self for line in _lines(row)], columns=columns)


def _lines(row: Prediction) -> Iterator[dict[str, Any]]:
    values = row.to_dict()
    face, labels = values.pop("face"), values.pop("labels")
    shared = values | {f"face.{name}": face[name] for name in FACE}
    for rank, label in enumerate(labels, start=1):
        yield {**shared, "rank": rank, **label}
    if not labels:
        yield {**shared, "rank": 0, **dict.fromkeys(LABEL)}
