"""Losses between embeddings, as pure functions of logits and targets."""

from __future__ import annotations

import torch
from torch import Tensor


def soft_cross_entropy(logits: Tensor, targets: Tensor) -> Tensor:
    """Return the mean cross-entropy of logits [N, C] against target distributions [N, C] (rows sum to 1)."""
    return -(targets * logits.log_softmax(dim=1)).sum(dim=1).mean()


def multi_positive_contrast(similarities: Tensor, positives: Tensor) -> Tensor:
    """Contrast rows against columns where a row may have several positives, and may have them by degrees.

    ``similarities`` [N, M] are scaled cosines and ``positives`` [N, M] non-negative weights; the target of a row is its
    weights divided by their sum, and rows without a positive are left out. With one positive a row this is CLIP's
    image-to-text loss (2103.00020); with several it is the SupCon loss with the sum outside (2004.11362). Both
    directions are averaged.
    """
    rows = _one_direction(similarities, positives)
    columns = _one_direction(similarities.T, positives.T)
    return (rows + columns) / 2


def _one_direction(similarities: Tensor, positives: Tensor) -> Tensor:
    totals = positives.sum(dim=1, keepdim=True)
    kept = totals.squeeze(1) > 0
    if not kept.any():
        return similarities.sum() * 0.0
    return soft_cross_entropy(similarities[kept], (positives / totals.clamp_min(1e-12))[kept])


def paired_contrast(first: Tensor, second: Tensor, scale: Tensor | float) -> Tensor:
    """Contrast two views of the same N items ([N, D] each, L2-normalised): CLIP's symmetric loss with a given scale."""
    similarities = scale * first @ second.T
    return multi_positive_contrast(similarities, torch.eye(len(first), device=first.device))
