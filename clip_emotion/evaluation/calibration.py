"""Calibration: one temperature for an encoder, and how far its confidence lies from its accuracy."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.optimize import minimize_scalar
from scipy.special import log_softmax

from clip_emotion.arrays import BoolArray, FloatingArray, IntegerArray
from clip_emotion.errors import UsageError

BINS = 15
LOGIT_SCALES = (1e-2, 1e3)
"""The bounds within which a logit scale (1 / temperature) is looked for."""


def negative_log_likelihood(similarities: FloatingArray, targets: IntegerArray, logit_scale: float) -> float:
    """Return the mean of ``-log softmax(logit_scale · similarities)[target]``, in nats.

    ``similarities`` is [N, C], ``targets`` [N] are column numbers.
    """
    log_probabilities = log_softmax(logit_scale * np.asarray(similarities, dtype=np.float64), axis=1)
    return float(-log_probabilities[np.arange(len(targets)), targets].mean())


def fit_temperature(similarities: FloatingArray, targets: IntegerArray) -> float:
    """Find the one temperature T that minimises the NLL of ``softmax(similarities / T)``.

    ``similarities`` is [N, C], ``targets`` [N] are column numbers. A bounded scalar search over log T; an encoder's
    ``logit_scale`` is 1 / T. See Guo et al., "On Calibration of Modern Neural Networks" (2017). Raises UsageError
    where there is nothing to fit on.
    """
    if len(targets) == 0 or similarities.shape[0] != len(targets):
        raise UsageError(f"A temperature needs one target per row: got {similarities.shape[0]} rows, {len(targets)}.")
    found = minimize_scalar(
        lambda log_scale: negative_log_likelihood(similarities, targets, float(np.exp(log_scale))),
        bounds=(np.log(LOGIT_SCALES[0]), np.log(LOGIT_SCALES[1])),
        method="bounded",
        options={"xatol": 1e-5},
    )
    return float(np.exp(-found.x))


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
