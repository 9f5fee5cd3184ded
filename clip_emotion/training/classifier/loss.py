"""The loss of a classifier: cross-entropy against distributions, with the remedies against skewed classes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from clip_emotion.errors import UsageError


def classifier_loss(
    logits: Tensor,
    targets: Tensor,
    weights: Tensor | None = None,
    log_prior: Tensor | None = None,
    focal: float = 0.0,
) -> Tensor:
    """Return the mean loss of logits [N, C] against target distributions [N, C].

    ``L = -Σ_nc w_c t_nc (1 - p_nc)^γ log p_nc / Σ_nc w_c t_nc`` with ``p = softmax(z + τ log π)``: class weights w,
    logit adjustment (Menon et al., 2007.07314) where ``log_prior`` [C] = τ log π is given, and the focal factor (Lin et
    al., 1708.02002). With γ = 0 and one-hot targets it is PyTorch's weighted cross-entropy.
    """
    adjusted = logits.float() if log_prior is None else logits.float() + log_prior
    log_p = adjusted.log_softmax(dim=1)
    counted = targets if weights is None else targets * weights
    terms = counted * log_p
    if focal:
        terms = terms * (1 - log_p.exp()).pow(focal)
    return -terms.sum() / counted.sum()


def times_named(weights: Tensor | None, named: Mapping[str, float], classes: Sequence[str]) -> Tensor | None:
    """Return class weights [C] times those that are named; raises UsageError for a name that is no class."""
    unknown = sorted(set(named) - set(classes))
    if unknown:
        raise UsageError(f"weights: '{unknown[0]}' is no class here; they are {', '.join(classes)}.")
    if not named:
        return weights
    factors = torch.tensor([float(named.get(name, 1.0)) for name in classes])
    return factors if weights is None else weights * factors


def log_priors(counts: Tensor, tau: float) -> Tensor | None:
    """Return τ times the logarithm of each class's share [C] of the training images; None for τ = 0.

    A class without images gets the share of half an image.
    """
    if not tau:
        return None
    shares = counts.double().clamp_min(0.5) / counts.sum()
    return (tau * shares.log()).float()


def smoothed(targets: Tensor, smoothing: float) -> Tensor:
    """Return targets [N, C] with a share ``smoothing`` spread over all classes."""
    return targets * (1 - smoothing) + smoothing / targets.shape[1]
