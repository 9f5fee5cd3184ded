"""Agreement beyond chance between two who put the same faces into words: Cohen's kappa, overall and for each word."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from clip_emotion.arrays import FloatArray, IntArray
from clip_emotion.evaluation.bootstrap import Resampling, percentile_interval

USUAL = Resampling()


@dataclass(frozen=True, slots=True)
class Kappa:
    """Cohen's kappa with its 95 % interval, the share of rows on which both agree, and how many rows there are."""

    kappa: float
    low: float
    high: float
    agreed: float
    rows: int

    def to_dict(self) -> dict[str, Any]:
        """Return the values as JSON-ready ones; what cannot be measured is None."""
        values = {"kappa": self.kappa, "low": self.low, "high": self.high, "agreed": self.agreed}
        return {**{name: None if np.isnan(value) else value for name, value in values.items()}, "rows": self.rows}


@dataclass(frozen=True, slots=True)
class WordAgreement:
    """One word against all others: its kappa, and how often each of the two said it."""

    word: str
    kappa: Kappa
    first: int
    second: int


@dataclass(frozen=True)
class Agreement:
    """How far two agree over all words, and on each word that either of them said, the commonest first."""

    overall: Kappa
    words: tuple[WordAgreement, ...]

    def to_dict(self) -> dict[str, Any]:
        """Return the values as JSON-ready ones."""
        words = [
            {"word": one.word, **one.kappa.to_dict(), "first": one.first, "second": one.second} for one in self.words
        ]
        return {"overall": self.overall.to_dict(), "words": words}


def cohen_kappa(counts: FloatArray) -> FloatArray:
    """Return kappa of tables [..., K, K] of how often the first said the row's word and the second the column's.

    κ = (p_o − p_e) / (1 − p_e), where p_o is the share on the diagonal and p_e that of two who say their words
    independently, each as often as they did. NaN where both only ever say one word. Cohen (1960), "A coefficient of
    agreement for nominal scales".
    """
    total = counts.sum(axis=(-2, -1))
    observed = np.trace(counts, axis1=-2, axis2=-1)
    expected = (counts.sum(axis=-1) * counts.sum(axis=-2)).sum(axis=-1)
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.asarray((total * observed - expected) / (total * total - expected), dtype=np.float64)


def agreement(
    first: Sequence[str],
    second: Sequence[str],
    groups: Sequence[str] | None = None,
    resampling: Resampling = USUAL,
) -> Agreement:
    """Return how far two agree who gave each of N rows a word; intervals redraw whole groups (images) of rows.

    Raises ValueError for no rows.
    """
    if not len(first):
        raise ValueError("no rows to compare")
    words = list(dict.fromkeys([*first, *second]))
    place = {word: at for at, word in enumerate(words)}
    cells = np.array([place[one] * len(words) + place[other] for one, other in zip(first, second, strict=True)])
    names = list(map(str, range(len(cells)))) if groups is None else list(groups)
    counts = _counts(cells, len(words))
    ones = _one_against_all(counts)
    overall, each = _resampled(cells, len(words), _numbers(names), resampling)
    low, high = percentile_interval(overall)
    agreed = float(np.trace(counts) / counts.sum())
    whole = Kappa(float(cohen_kappa(counts)), low, high, agreed, len(cells))
    found = [_of_word(word, ones[at], percentile_interval(each[:, at])) for at, word in enumerate(words)]
    return Agreement(whole, tuple(sorted(found, key=lambda one: (-one.first - one.second, one.word))))


def _of_word(word: str, table: FloatArray, interval: tuple[float, float]) -> WordAgreement:
    rows = int(table.sum())
    value = Kappa(float(cohen_kappa(table)), *interval, float(np.trace(table)) / rows, rows)
    return WordAgreement(word, value, int(table[0].sum()), int(table[:, 0].sum()))


def _resampled(
    cells: NDArray[np.int64], words: int, groups: IntArray, resampling: Resampling
) -> tuple[FloatArray, FloatArray]:
    """Return kappa of each resample, overall [R] and for each word [R, K]."""
    generator = np.random.default_rng(resampling.seed)
    many = int(groups.max()) + 1
    overall = np.empty(resampling.resamples)
    each = np.empty((resampling.resamples, words))
    for at in range(resampling.resamples):
        drawn = np.bincount(generator.integers(0, many, many), minlength=many)
        counts = _counts(cells, words, drawn[groups].astype(np.float64))
        overall[at] = cohen_kappa(counts)
        each[at] = cohen_kappa(_one_against_all(counts))
    return overall, each


def _counts(cells: NDArray[np.int64], words: int, weights: FloatArray | None = None) -> FloatArray:
    return np.bincount(cells, weights, minlength=words * words).reshape(words, words).astype(np.float64)


def _one_against_all(counts: FloatArray) -> FloatArray:
    """Return for each word the table [K, 2, 2] of that word against all others."""
    both, first, second = np.diagonal(counts), counts.sum(axis=1), counts.sum(axis=0)
    neither = counts.sum() - first - second + both
    return np.stack([both, first - both, second - both, neither], axis=-1).reshape(-1, 2, 2)


def _numbers(names: Sequence[str]) -> IntArray:
    numbers: dict[str, int] = {}
    return np.array([numbers.setdefault(name, len(numbers)) for name in names], dtype=np.int64)
