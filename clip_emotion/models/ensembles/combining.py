"""From the probabilities of several models to those of all together."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import numpy as np

from clip_emotion.arrays import FloatArray

Method = Literal["mean", "weighted", "vote"]


def mixture(probabilities: FloatArray, weights: FloatArray) -> FloatArray:
    """Return the weighted mean [N, C] of probabilities [M, N, C]: one weight a model [M], or a model and row [M, N].

    The weights are at least 0 and sum to 1 over the models.
    """
    mixed: FloatArray = (np.reshape(weights, (len(probabilities), -1, 1)) * probabilities).sum(axis=0)
    return mixed


def mean(probabilities: FloatArray, weights: FloatArray | None = None) -> FloatArray:
    """Return the mean [N, C] of probabilities [M, N, C], in which every model counts alike."""
    averaged: FloatArray = probabilities.mean(axis=0)
    return averaged


def vote(probabilities: FloatArray, weights: FloatArray | None = None) -> FloatArray:
    """Return the shares of votes [N, C], where each of M models votes for its best class; [M, N, C] come in.

    The mean probability counts as one vote more, spread over the classes: it breaks ties, and no share of it outweighs
    a vote.
    """
    models, _, classes = probabilities.shape
    votes = np.eye(classes)[probabilities.argmax(axis=2)].sum(axis=0)
    shares: FloatArray = (votes + probabilities.mean(axis=0)) / (models + 1)
    # What is not a number has no best class either.
    shares[~np.isfinite(probabilities.sum(axis=(0, 2)))] = np.nan
    return shares


METHODS: dict[Method, Callable[[FloatArray, FloatArray], FloatArray]] = {
    "mean": mean,
    "weighted": mixture,
    "vote": vote,
}
"""How the members' probabilities [M, N, C], and their weights [M], become one answer [N, C]."""
