"""Losses between embeddings, as pure functions of logits and targets, and their weighted sum."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor
from torch.nn import functional as F

from clip_emotion.training.loss_config import ClassWeighting, LossConfig

NEVER = -1e9
"""A logit that takes no part in a softmax, yet gives no NaN when it is multiplied by zero."""


def combined(parts: Mapping[str, Tensor], config: LossConfig) -> Tensor:
    """Return the sum of the parts of a loss, by name, each times its weight; parts of no weight are left out.

    Raises KeyError where a part that counts is not there.
    """
    return torch.stack([weight * parts[name].float() for name, weight in config.weights().items()]).sum()


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
    rows = one_way_contrast(similarities, positives)
    columns = one_way_contrast(similarities.T, positives.T)
    return (rows + columns) / 2


def one_way_contrast(similarities: Tensor, positives: Tensor) -> Tensor:
    """Contrast rows against columns as ``multi_positive_contrast`` does, in this one direction."""
    totals = positives.sum(dim=1, keepdim=True)
    kept = totals.squeeze(1) > 0
    if not kept.any():
        return similarities.sum() * 0.0
    return soft_cross_entropy(similarities[kept], (positives / totals.clamp_min(1e-12))[kept])


def paired_contrast(first: Tensor, second: Tensor, scale: Tensor | float) -> Tensor:
    """Contrast two views of the same N items ([N, D] each, L2-normalised): CLIP's symmetric loss with a given scale."""
    similarities = scale * first @ second.T
    return multi_positive_contrast(similarities, torch.eye(len(first), device=first.device))


def supervised_contrast(embeddings: Tensor, labels: Tensor, temperature: float) -> Tensor:
    """Contrast pictures with pictures, those of the same class being each other's positives (SupCon, 2004.11362).

    L_out = mean_i -1/|P(i)| Σ_{p∈P(i)} log( exp(z_i·z_p/τ) / Σ_{a≠i} exp(z_i·z_a/τ) ), for L2-normalised embeddings z
    [N, D] and classes [N]; pictures that are alone in their class are left out of the mean.
    """
    itself = torch.eye(len(labels), dtype=torch.bool, device=labels.device)
    similarities = (embeddings @ embeddings.T).float() / temperature
    positives = (labels[:, None] == labels) & ~itself
    return one_way_contrast(similarities.masked_fill(itself, NEVER), positives.float())


def class_weighted_cross_entropy(
    logits: Tensor, labels: Tensor, weights: Tensor | None = None, smoothing: float = 0.0
) -> Tensor:
    """Return the mean cross-entropy of logits [N, C] against classes [N], weighted by class and smoothed.

    The target of a row is (1 - ε) on its class and ε / C on every class; class c counts w_c times, and the sum is
    divided by the weights of the rows' classes (PyTorch's convention).
    """
    kept = None if weights is None else weights.to(device=logits.device, dtype=torch.float32)
    return F.cross_entropy(logits.float(), labels, weight=kept, label_smoothing=smoothing)


def class_weights(counts: Tensor, scheme: ClassWeighting, beta: float = 0.999) -> Tensor | None:
    """Return how much each class counts [C], on average 1 over the classes that have pictures; 0 for those without.

    ``inverse`` is 1 / n_c, ``effective`` (1 - β) / (1 - β^n_c), the inverse of the effective number of samples
    (1901.05555): β = 0 weighs all alike, β → 1 is ``inverse``. ``none`` gives None.
    """
    if scheme == "none":
        return None
    there, numbers = counts > 0, counts.clamp_min(1).double()
    raw = 1 / numbers if scheme == "inverse" else (1 - beta) / (1 - beta**numbers)
    raw = torch.where(there, raw, 0.0)
    return (raw * there.sum() / raw.sum()).float()
