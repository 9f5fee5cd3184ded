"""What a validation measures: each value with its metric, split and language, and all of them by their names."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any


class Better(StrEnum):
    """Which way a metric improves."""

    HIGHER = "higher"
    LOWER = "lower"


DIRECTIONS = {
    **dict.fromkeys(("loss", "cross_entropy", "log_loss", "perplexity", "error"), Better.LOWER),
    **dict.fromkeys(("accuracy", "recall", "precision", "f1", "macro_recall", "macro_f1", "micro_f1"), Better.HIGHER),
    **dict.fromkeys(("hit1", "hit5", "new_words"), Better.HIGHER),
}
"""The metrics that improve one way; others, such as a tuned threshold, do not improve at all."""


@dataclass(frozen=True)
class Measurement:
    """One value: its metric, the split it was measured on ('' is the main one), and its language ('' is all of them).

    ``key`` is the published name where that is not split, metric and language joined.
    """

    metric: str
    value: float
    split: str = ""
    language: str = ""
    key: str = ""

    @property
    def name(self) -> str:
        """The name under which ``metrics.jsonl`` and a model's card have the value."""
        return self.key or "_".join(part for part in (self.split, self.metric, self.language) if part)

    @property
    def better(self) -> Better | None:
        """Which way the metric improves, or None where it does not."""
        return DIRECTIONS.get(self.metric)


class Measurements(Mapping[str, float]):
    """The values of one validation by their names, in order, with the record of each."""

    def __init__(self, records: Iterable[Measurement] = ()) -> None:
        self.records = {record.name: record for record in records}

    def __getitem__(self, name: str) -> float:
        return self.records[name].value

    def __iter__(self) -> Iterator[str]:
        return iter(self.records)

    def __len__(self) -> int:
        return len(self.records)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Mapping) and dict(self) == dict(other)

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return f"Measurements({dict(self)})"

    def headline(self) -> dict[str, float]:
        """Return the values of the main split over all languages, or all values where there are none."""
        main = {name: one.value for name, one in self.records.items() if not one.split and not one.language}
        return main or dict(self)

    def to_list(self) -> list[dict[str, Any]]:
        """Return the records as JSON-ready values."""
        return [asdict(record) for record in self.records.values()]

    @classmethod
    def read(cls, written: object) -> Measurements:
        """Read what ``to_list`` returned, or a mapping of names to values as earlier releases wrote it.

        Raises TypeError or ValueError for anything else.
        """
        if isinstance(written, Mapping):
            return cls(Measurement(str(name), float(value)) for name, value in written.items())
        if not isinstance(written, list):
            raise TypeError(f"Measurements are a list or a mapping, not {type(written).__name__}.")
        return cls(Measurement(**record) for record in written)
