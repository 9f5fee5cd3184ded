"""Label-free prior correction: how often each word is true in a collection, estimated from probabilities alone."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from scipy.special import log_softmax

from clip_emotion.arrays import FloatArray, FloatingArray
from clip_emotion.errors import UsageError

ITERATIONS = 1000
TOLERANCE = 1e-7
"""The largest change of a share at which the estimate has settled."""
FLOOR = 1e-6
"""The least share of a word: one that is never true here may still be true of the next face."""


def em_shift(log_probabilities: FloatingArray) -> FloatArray:
    """Estimate each word's share by EM and return what to add to the logits, [C]: ``log(share · C)``.

    ``log_probabilities`` is [N, C], under equal shares of all words. Each step takes the mean of the probabilities
    corrected by the shares of the step before; the shares that it settles at maximise the likelihood of the rows.
    Saerens, Latinne and Decaestecker, "Adjusting the outputs of a classifier to new a priori probabilities" (2002).
    """
    rows = np.exp(np.asarray(log_probabilities, dtype=np.float64))
    shares = np.full(rows.shape[1], 1 / rows.shape[1])
    for _ in range(ITERATIONS):
        # Row by row p · share / Σ p · share, and its mean over the rows, without a second array of all rows.
        updated = shares * (rows.T @ (1 / (rows @ shares).clip(1e-300))) / len(rows)
        settled = np.abs(updated - shares).max() < TOLERANCE
        shares = updated
        if settled:
            break
    shift: FloatArray = np.log(shares.clip(FLOOR) * len(shares))
    return shift


def debias_shift(log_probabilities: FloatingArray) -> FloatArray:
    """Return what to add to the logits, [C], so that no word is favoured: ``-log(mean probability · C)``.

    It takes all words for equally frequent, and the other way than ``em_shift``. Wang et al., "Debiased learning from
    naturally imbalanced pseudo-labels" (2022), equation 3 with factor 1.
    """
    shares = np.exp(np.asarray(log_probabilities, dtype=np.float64)).mean(axis=0)
    shift: FloatArray = -np.log(shares.clip(FLOOR) * len(shares))
    return shift


CORRECTIONS: dict[str, Callable[[FloatingArray], FloatArray]] = {"em": em_shift, "debias": debias_shift}


def prior_shift(method: str, logits: FloatingArray) -> FloatArray:
    """Return what a method adds to each word's logit, [C], for rows of logits [N, C]; zeros where there are no rows.

    Raises UsageError for an unknown method.
    """
    if method not in CORRECTIONS:
        raise UsageError(f"Unknown prior correction '{method}': choose one of {', '.join(CORRECTIONS)}.")
    if not len(logits):
        return np.zeros(logits.shape[1])
    return CORRECTIONS[method](log_softmax(np.asarray(logits, dtype=np.float64), axis=1))
