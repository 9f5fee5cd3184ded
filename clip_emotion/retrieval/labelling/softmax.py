"""Logits as probabilities, without SciPy, which takes a fresh process a quarter of a second to import."""

from __future__ import annotations

import numpy as np

from clip_emotion.arrays import FloatArray


def softmax(logits: FloatArray) -> FloatArray:
    """Return each row of logits [N, L] as probabilities: p_l = e^(logit_l) / Σ_m e^(logit_m)."""
    powers = np.exp(logits - logits.max(axis=1, keepdims=True))
    probabilities: FloatArray = powers / powers.sum(axis=1, keepdims=True)
    return probabilities
