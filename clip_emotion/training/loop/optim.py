"""Optimizers and the schedule of the learning rate."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import nn

from clip_emotion.training.loop.config import FitConfig

RATE = "rate"
"""The key of a parameter group's own factor on the learning rate."""


def schedule(progress: float, warmup: float) -> float:
    """Return the factor on the learning rate: linear from 0.05 to 1 over the warm-up, then a cosine to 0.001."""
    if progress < warmup:
        return 0.05 + 0.95 * progress / warmup
    return 0.001 + 0.999 * (1 + math.cos(math.pi * (progress - warmup) / (1 - warmup))) / 2


def make_optimizer(
    model: nn.Module, config: FitConfig, rate: Callable[[str], float] | None = None
) -> torch.optim.Optimizer:
    """Return the optimizer, with weight decay on matrices only (not on biases, norms and scales).

    ``rate`` gives each parameter, by its name, a factor on the learning rate.
    """
    groups = _groups(model, config.weight_decay, rate) if rate else _two_groups(model.parameters(), config.weight_decay)
    if config.optimizer == "sgd":
        return torch.optim.SGD(groups, config.learning_rate, momentum=0.9, nesterov=True)
    return torch.optim.AdamW(groups, config.learning_rate, betas=(0.9, 0.98))


def _two_groups(parameters: Iterable[nn.Parameter], decay: float) -> list[dict[str, Any]]:
    trained = [p for p in parameters if p.requires_grad]
    matrices, rest = [p for p in trained if p.ndim > 1], [p for p in trained if p.ndim <= 1]
    return [{"params": matrices, "weight_decay": decay}, {"params": rest, "weight_decay": 0.0}]


def _groups(model: nn.Module, decay: float, rate: Callable[[str], float]) -> list[dict[str, Any]]:
    by_rate: dict[float, list[nn.Parameter]] = {}
    for name, parameter in model.named_parameters():
        by_rate.setdefault(rate(name), []).append(parameter)
    pairs = ((factor, group) for factor, some in by_rate.items() for group in _two_groups(some, decay))
    return [{**group, RATE: factor} for factor, group in pairs]
