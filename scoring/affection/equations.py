"""The arithmetic of affection: turn scores, recency, running scores and intervals; pure functions on arrays.

A conversation has T scored turns; turn t gives label l the probability p_tl, and label l has the weight w_l. Then

    s_t = Σ_l p_tl · w_l                    the turn's score
    S   = Σ_t (t/T) · s_t                   the conversation's raw score
    S̄   = Σ_t r_t · s_t / Σ_t r_t           its normalised score, with the recency r_t

    linear        r_t = t/T
    uniform       r_t = 1
    exponential   r_t = 2^{-(T - t)/h}, or in minutes 2^{-(time_T - time_t)/h}
    peak-end      r_t = ½ for the most intense turn and ½ for the last one, so that S̄ is their mean

The peak-end rule is Kahneman, Fredrickson, Schreiber and Redelmeier (1993), "When more pain is preferred to less". The
most intense turn has the largest |s_t|, the latest of equals. Clocks that go backwards stand still instead: a turn
counts as sent no earlier than the one before it. Turns of which nothing can be said are left out before any of this:
T and t count scored turns only, and no function here takes NaN.

A part of a conversation (a speaker's turns) keeps the whole's t and T. So the parts' raw scores add up to the whole's.
"""

from __future__ import annotations

import math

import numpy as np

from clip_emotion.arrays import FloatArray, IntArray
from clip_emotion.errors import UsageError

NOT_A_NUMBER = "A turn score is not a number: leave out the turns of which nothing can be said before scoring."


def turn_scores(p: FloatArray, w: FloatArray) -> FloatArray:
    """Return the turn scores s_t = Σ_l p_tl · w_l [T] of probabilities [T, L] and weights [L]; NaN for rows of NaN."""
    return np.asarray(p @ w, dtype=np.float64)


def contributions(p: FloatArray, w: FloatArray) -> FloatArray:
    """Return each label's part p_tl · w_l [T, L] of each turn's score; a row sums to the turn's score."""
    return np.asarray(p * w, dtype=np.float64)


def raw_score(s: FloatArray, part: IntArray | None = None) -> float:
    """Return S = Σ_t (t/T) · s_t over all turns, or over the turns at the positions ``part`` (from 0) alone."""
    scores = checked(s)
    places = np.arange(len(scores)) if part is None else part
    return float((places + 1) @ scores[places] / len(scores)) if len(scores) else 0.0


def weighted_mean(s: FloatArray, r: FloatArray) -> float:
    """Return Σ_t r_t · s_t / Σ_t r_t; NaN of no turns at all."""
    return float(r @ s / r.sum()) if len(s) else math.nan


def checked(s: FloatArray) -> FloatArray:
    """Return turn scores [T] as they are; raises UsageError where one is not finite."""
    if not np.isfinite(s).all():
        raise UsageError(NOT_A_NUMBER)
    return s
