"""Calibration: one temperature for an encoder, and how far its confidence lies from its accuracy."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from scipy.optimize import minimize_scalar
from scipy.special import log_softmax, softmax

from clip_emotion.arrays import BoolArray, FloatingArray, IntegerArray
from clip_emotion.errors import UsageError
from clip_emotion.evaluation.folds import stratified_folds

BINS = 15
FEWEST = 20
"""Labelled rows from which a temperature is fitted: of a few, all of them right, it would be near zero."""
LOGIT_SCALES = (1e-2, 1e3)
"""The bounds within which a logit scale (1 / temperature) is looked for."""


def negative_log_likelihood(similarities: FloatingArray, targets: IntegerArray, logit_scale: float) -> float:
    """Return the mean of ``-log softmax(logit_scale · similarities)[target]``, in nats.

    ``similarities`` is [N, C], ``targets`` [N] are column numbers.
    """
    log_probabilities = log_softmax(logit_scale * np.asarray(similarities, dtype=np.float64), axis=1)
    return float(-log_probabilities[np.arange(len(targets)), targets].mean())


def fit_temperature(similarities: FloatingArray, targets: IntegerArray, smoothing: float = 0.0) -> float:
    """Find the one temperature T that minimises the NLL of ``softmax(similarities / T)``.

    ``smoothing`` is the share of each target that all columns have in common.

    ``similarities`` is [N, C], ``targets`` [N] are column numbers. A bounded scalar search over log T; an encoder's
    ``logit_scale`` is 1 / T. See Guo et al., "On Calibration of Modern Neural Networks" (2017). Raises UsageError
    where there is nothing to fit on.
    """
    if len(targets) == 0 or similarities.shape[0] != len(targets):
        raise UsageError(f"A temperature needs one target per row: got {similarities.shape[0]} rows, {len(targets)}.")
    similarities = np.asarray(similarities, dtype=np.float64)
    rows = np.arange(len(targets))

    def loss(log_scale: float) -> float:
        log_probabilities = log_softmax(np.exp(log_scale) * similarities, axis=1)
        own, common = log_probabilities[rows, targets].mean(), log_probabilities.mean() if smoothing else 0.0
        return -float((1 - smoothing) * own + smoothing * common)

    found = minimize_scalar(
        loss,
        bounds=(np.log(LOGIT_SCALES[0]), np.log(LOGIT_SCALES[1])),
        method="bounded",
        options={"xatol": 1e-5},
    )
    return float(np.exp(-found.x))


def smoothed_temperature(logits: FloatingArray, targets: IntegerArray) -> float:
    """Find the temperature of few rows, with targets smoothed by one row in N + 2.

    Rows that are all right would otherwise have a temperature of nought. After Platt, "Probabilistic outputs for
    support vector machines" (1999).
    """
    return fit_temperature(logits, targets, 1 / (len(targets) + 2))


@dataclass(frozen=True)
class Confidence:
    """How far probabilities can be believed: negative log-likelihood in nats, and expected calibration error."""

    nll: float
    ece: float

    @classmethod
    def of(cls, logits: FloatingArray, targets: IntegerArray) -> Confidence:
        """Measure logits [N, C] against ``targets`` [N], column numbers."""
        probabilities = softmax(np.asarray(logits, dtype=np.float64), axis=1)
        correct = probabilities.argmax(axis=1) == np.asarray(targets)
        nll = negative_log_likelihood(logits, targets, 1.0)
        return cls(nll, reliability(probabilities.max(axis=1), correct).ece)


@dataclass(frozen=True)
class Calibration:
    """A temperature fitted on ``n`` rows, and the confidence before it and, on rows held out by folds, after it.

    ``temperature`` is 1, which changes nothing, where a fitted one is no gain on rows held out.
    """

    temperature: float
    n: int
    before: Confidence
    after: Confidence

    @property
    def better(self) -> bool:
        """Whether a fitted temperature lowers the negative log-likelihood of rows held out."""
        return self.after.nll < self.before.nll


def calibrate(logits: FloatingArray, targets: IntegerArray, *, folds: int = 5, seed: int = 0) -> Calibration:
    """Fit a temperature on rows of logits [N, C], and measure what it is worth on rows that it was not fitted on.

    For ``after`` each fold is divided by the temperature of the others; one that is no gain is not taken. Raises
    UsageError for fewer than ``FEWEST`` rows.
    """
    if len(targets) < FEWEST:
        raise UsageError(too_few(len(targets)))
    logits = np.asarray(logits, dtype=np.float64)
    fold_of = stratified_folds(targets, folds, seed)
    held_out = logits.copy()
    for fold in np.unique(fold_of):
        held = fold_of == fold
        held_out[held] /= smoothed_temperature(logits[~held], targets[~held])
    before, after = (Confidence.of(rows, targets) for rows in (logits, held_out))
    found = Calibration(smoothed_temperature(logits, targets), len(targets), before, after)
    return found if found.better else replace(found, temperature=1.0)


def too_few(rows: int) -> str:
    """Return the sentence on fewer rows than a temperature needs."""
    return f"A temperature needs {FEWEST} labelled rows at least: got {rows:,}."


@dataclass(frozen=True)
class Reliability:
    """A reliability diagram's numbers, one entry a bin of confidence; an empty bin has NaN means.

    ``ece`` is the expected calibration error over the same bins.
    """

    edges: FloatingArray
    confidence: FloatingArray
    accuracy: FloatingArray
    counts: IntegerArray
    ece: float


def reliability(confidence: FloatingArray, correct: BoolArray, bins: int = BINS) -> Reliability:
    """Sort answers into equally wide bins of confidence, [0, 1/B), …, [(B-1)/B, 1], and measure each.

    ``confidence`` [N] is the probability of the answer given, ``correct`` [N] tells whether it was right. The expected
    calibration error is ``Σ_b n_b / N · |accuracy_b - confidence_b|``, 0 where there are no rows: Guo et al., "On
    Calibration of Modern Neural Networks" (2017).
    """
    # Rounding may leave a probability a little above 1.
    sure = np.clip(np.asarray(confidence, dtype=np.float64), 0.0, 1.0)
    edges = np.linspace(0.0, 1.0, bins + 1)
    # Without the minimum a confidence of exactly 1 would fall out of the last bin.
    places = np.minimum(np.searchsorted(edges, sure, side="right") - 1, bins - 1)
    counts = np.bincount(places, minlength=bins)
    filled = np.where(counts > 0, counts, np.nan)
    mean_confidence = np.bincount(places, weights=sure, minlength=bins) / filled
    accuracy = np.bincount(places, weights=np.asarray(correct, dtype=np.float64), minlength=bins) / filled
    gaps = np.nansum(counts * np.abs(accuracy - mean_confidence))
    return Reliability(edges, mean_confidence, accuracy, counts, ece=float(gaps / max(len(sure), 1)))
