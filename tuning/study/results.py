"""What the rows of a study came to: means over seeds, intervals over images, and gains on the baseline."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from clip_emotion.arrays import FloatArray
from clip_emotion.evaluation.bootstrap import Resampling, percentile_interval
from clip_emotion.evaluation.groups import resampled_rates
from tuning.comparison import Interval
from tuning.study.config import StudyConfig
from tuning.study.records import RunRecord

RATES = ("accuracy", "macro_recall", "macro_f1")
RESAMPLING = Resampling()


@dataclass(frozen=True)
class RowResult:
    """A row: how many of its runs are done, and what these came to; nothing where none is.

    ``rates`` are means over seeds with 95 % intervals over the images, ``spread`` is the standard deviation over seeds
    (None for one), ``gains`` are differences from the baseline over the same images. ``recall`` and ``f1`` are of each
    class. ``origin`` is the figure that the row's origin published.
    """

    name: str
    about: str
    origin: float | None
    wanted: int
    done: int = 0
    images: int = 0
    parameters: int = 0
    seconds: float = 0.0
    errors: tuple[str, ...] = ()
    rates: dict[str, Interval] = field(default_factory=dict)
    spread: dict[str, float | None] = field(default_factory=dict)
    gains: dict[str, Interval] = field(default_factory=dict)
    recall: dict[str, float] = field(default_factory=dict)
    f1: dict[str, float] = field(default_factory=dict)


def results(config: StudyConfig, records: Mapping[str, Sequence[RunRecord]]) -> list[RowResult]:
    """Return what each row came to, in the study's order; ``records`` are those that are there, by row.

    Intervals are percentile intervals of the bootstrap: each resample draws the same images for all seeds and rows.
    They say what other images would change; what other seeds would is the spread.
    """
    ended = {row: [one for one in records.get(row, ()) if one.status == "done"] for row in config.rows}
    drawn = {row: _drawn(own) for row, own in ended.items()}
    base = config.compared_with
    found = []
    for row in config.rows:
        same = row != base and bool(ended[row]) and _images(ended[row]) == _images(ended[base])
        gains = _gains(ended[row], ended[base], drawn[row], drawn[base]) if same else {}
        found.append(_row(config, row, records.get(row, ()), ended[row], drawn[row], gains))
    return found


def _images(records: Sequence[RunRecord]) -> set[tuple[tuple[str, ...], tuple[str, ...], tuple[int, ...]]]:
    return {(record.images, record.classes, record.labels) for record in records}


def _drawn(records: Sequence[RunRecord]) -> dict[str, FloatArray]:
    """Return the mean over seeds of each rate in each resample."""
    own = [
        resampled_rates(np.array(one.labels), np.array(one.answers), len(one.classes), RESAMPLING) for one in records
    ]
    return {rate: np.mean([rates[rate] for rates in own], axis=0) for rate in RATES} if own else {}


def _mean(records: Sequence[RunRecord], rate: str) -> float:
    return float(np.mean([one.metrics[rate] for one in records]))


def _gains(
    ours: Sequence[RunRecord],
    theirs: Sequence[RunRecord],
    drawn: Mapping[str, FloatArray],
    base: Mapping[str, FloatArray],
) -> dict[str, Interval]:
    return {
        rate: Interval(_mean(ours, rate) - _mean(theirs, rate), *percentile_interval(drawn[rate] - base[rate]))
        for rate in RATES
    }


def _row(
    config: StudyConfig,
    row: str,
    records: Sequence[RunRecord],
    ended: Sequence[RunRecord],
    drawn: Mapping[str, FloatArray],
    gains: dict[str, Interval],
) -> RowResult:
    about = config.rows[row]
    errors = tuple(f"{row}, seed {one.seed}: {one.error}" for one in records if one.status == "failed")
    bare = RowResult(row, about.about, about.origin, len(config.seeds_of(row)), errors=errors)
    if not ended:
        return bare
    values = {rate: [float(one.metrics[rate]) for one in ended] for rate in RATES}
    return RowResult(
        bare.name,
        bare.about,
        bare.origin,
        bare.wanted,
        done=len(ended),
        images=len(ended[0].images),
        parameters=ended[0].parameters,
        seconds=float(np.mean([one.seconds for one in ended])),
        errors=errors,
        rates={rate: Interval(_mean(ended, rate), *percentile_interval(drawn[rate])) for rate in RATES},
        spread={rate: float(np.std(own, ddof=1)) if len(own) > 1 else None for rate, own in values.items()},
        gains=gains,
        recall=_of_classes(ended, "recall"),
        f1=_of_classes(ended, "f1"),
    )


def _of_classes(records: Sequence[RunRecord], what: str) -> dict[str, float]:
    tables: list[Mapping[str, Any]] = [one.metrics["per_class"] for one in records]
    return {key: float(np.mean([table[key][what] for table in tables])) for key in tables[0]}
