"""Calibration: one temperature for an encoder, and how far its confidence lies from its accuracy."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize_scalar
from scipy.special import log_softmax

from clip_emotion.errors import UsageError

FloatArray = NDArray[np.floating[Any]]
BINS = 15
LOGIT_SCALES = (1e-2, 1e3)
"""The bounds within which a logit scale (1 / temperature) is looked for."""


def negative_log_likelihood(similarities: FloatArray, targets: NDArray[np.integer[Any]], logit_scale: float) -> float:
    """Return the mean of ``-log softmax(logit_scale · similarities)[target]``, in nats.

    ``similarities`` is [N, C], ``targets`` [N] are column numbers.
    """
    log_probabilities = log_softmax(logit_scale * np.asarray(similarities, dtype=np.float64), axis=1)
    return float(-log_probabilities[np.arange(len(targets)), targets].mean())


def fit_temperature(similarities: FloatArray, targets: NDArray[np.integer[Any]]) -> float:
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

    edges: FloatArray
    confidence: FloatArray
    accuracy: FloatArray
    counts: NDArray[np.integer[Any]]
    ece: float


def expected_calibration_error(confidence: FloatArray, correct: NDArray[np.bool_], bins: int = BINS) -> float:
    """Return ``Σ_b n_b / N · |accuracy_b - confidence_b|`` over equally wide bins; 0 where there are no rows.

    ``confidence`` [N] is the probability of the answer given, ``correct`` [N] tells whether it was right. See Guo et
    al., "On Calibration of Modern Neural Networks" (2017).
    """
    import torch
    from torchmetrics.functional.classification import binary_calibration_error

    if len(confidence) == 0:
        return 0.0
    # torchmetrics gives a confidence of exactly 1 a bin of its own, past the last; one float below it is in the last.
    # Rounding may also leave a probability a little above 1, which torchmetrics would take for a logit.
    inside = np.clip(np.asarray(confidence, dtype=np.float64), 0.0, np.nextafter(1.0, 0.0))
    target = torch.from_numpy(np.asarray(correct, dtype=np.int64))
    return float(binary_calibration_error(torch.from_numpy(inside), target, n_bins=bins, norm="l1"))


def reliability(confidence: FloatArray, correct: NDArray[np.bool_], bins: int = BINS) -> Reliability:
    """Sort answers into equally wide bins of confidence: [0, 1/B), …, [(B-1)/B, 1].

    ``confidence`` [N] is the probability of the answer given, ``correct`` [N] tells whether it was right.
    """
    edges = np.linspace(0.0, 1.0, bins + 1)
    # Without the clip a confidence of exactly 1 would fall out of the last bin.
    places = np.clip(np.searchsorted(edges, confidence, side="right") - 1, 0, bins - 1)
    counts = np.bincount(places, minlength=bins)
    divisor = np.where(counts > 0, counts, np.nan)
    return Reliability(
        edges=edges,
        confidence=np.bincount(places, weights=confidence, minlength=bins) / divisor,
        accuracy=np.bincount(places, weights=correct.astype(np.float64), minlength=bins) / divisor,
        counts=counts,
        ece=expected_calibration_error(confidence, correct, bins),
    )
