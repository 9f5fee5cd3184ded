"""Weights of an ensemble's members, and what it gains on the best of them: arrays in, numbers out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.optimize import minimize

from clip_emotion.arrays import FloatArray, FloatingArray, IntegerArray
from clip_emotion.errors import UsageError
from clip_emotion.evaluation.answers import RATES, Answers, Rate
from clip_emotion.evaluation.bootstrap import Resampling, percentile_interval
from clip_emotion.evaluation.folds import stratified_folds
from clip_emotion.evaluation.groups import resampled_rates

FOLDS = 5
LEAST = 1e-12
"""The least probability that counts, so that no single row has an infinite loss."""


def fit_weights(probabilities: FloatingArray, targets: IntegerArray) -> FloatArray:
    """Find the weights [M], at least 0 and of sum 1, whose weighted mean of probabilities has the least NLL.

    ``probabilities`` is [M, N, C], ``targets`` [N] are column numbers. The loss ``-mean(log(Σ_m w_m p_m[target]))`` is
    convex in w, and SLSQP starts from equal weights, so that equal rows give equal weights. Raises UsageError where
    there are no rows.
    """
    if len(targets) == 0:
        raise UsageError("Weights of an ensemble are fitted on labelled pictures: there are none here.")
    hits = np.maximum(probabilities[:, np.arange(len(targets)), targets].astype(np.float64), LEAST)
    models = len(hits)

    def loss(weights: FloatArray) -> tuple[float, FloatArray]:
        mixed = np.maximum(weights @ hits, LEAST)
        return float(-np.log(mixed).mean()), -(hits / mixed).mean(axis=1)

    found = minimize(
        loss,
        np.full(models, 1 / models),
        jac=True,
        method="SLSQP",
        bounds=[(0, 1)] * models,
        constraints={"type": "eq", "fun": lambda weights: weights.sum() - 1, "jac": np.ones_like},
        options={"ftol": 1e-10, "maxiter": 500},
    )
    kept = np.clip(np.round(found.x, 6), 0, None)
    weights: FloatArray = kept / kept.sum()
    return weights


def cross_fitted_weights(probabilities: FloatingArray, targets: IntegerArray, seed: int = 0) -> FloatArray:
    """Return weights for each row [M, N] that were fitted on other rows: those of the other folds, ``FOLDS`` at most.

    ``probabilities`` is [M, N, C], ``targets`` [N] are column numbers. Raises UsageError for fewer than two rows.
    """
    count = len(targets)
    if count < 2:
        raise UsageError("Cross-fitting needs two labelled pictures or more: give more --data, or a --test split.")
    weights, folds = np.empty((len(probabilities), count)), stratified_folds(targets, FOLDS, seed)
    for fold in np.unique(folds):
        here = folds == fold
        weights[:, here] = fit_weights(probabilities[:, ~here], targets[~here])[:, None]
    return weights


@dataclass(frozen=True)
class Gain:
    """How far an ensemble lies above its best member in one metric, and the 95 % interval of the difference.

    The best member was chosen on the same rows, which flatters it rather than the ensemble.
    """

    rate: Rate
    best: int
    value: float
    interval: tuple[float, float]

    def __str__(self) -> str:
        low, high = self.interval
        return f"{self.value:+.4f}\n{low:+.4f} to {high:+.4f}"


def gains(
    targets: IntegerArray, ensemble: Answers, members: Sequence[Answers], classes: int, resampling: Resampling
) -> tuple[Gain, ...]:
    """Compare an ensemble with its best member on the same rows: one gain for each of ``RATES``.

    The interval is a percentile interval of the paired bootstrap: each resample draws the same rows for both.
    """
    found = []
    for rate in RATES:
        best = int(np.argmax([member.rate(rate) for member in members]))
        # Equal seeds draw equal rows.
        ours, theirs = (
            resampled_rates(targets, one.answers, classes, resampling)[rate] for one in (ensemble, members[best])
        )
        value = ensemble.rate(rate) - members[best].rate(rate)
        found.append(Gain(rate, best, value, percentile_interval(ours - theirs)))
    return tuple(found)
