"""Optimizers and the schedule of the learning rate."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel

from clip_emotion.training.loop.config import FitConfig

LR_SCALE = "lr_scale"
"""The key of a parameter group's own factor on the learning rate."""


def schedule(progress: float, warmup: float) -> float:
    """Return the factor on the learning rate: linear from 0.05 to 1 over the warm-up, then a cosine to 0.001."""
    if progress < warmup:
        return 0.05 + 0.95 * progress / warmup
    return 0.001 + 0.999 * (1 + math.cos(math.pi * (progress - warmup) / (1 - warmup))) / 2


def make_optimizer(
    model: nn.Module, config: FitConfig, lr_scale: Callable[[str], float] | None = None
) -> torch.optim.Optimizer:
    """Return the optimizer, with weight decay on matrices only (not on biases, norms and scales).

    ``lr_scale`` gives each parameter, by its name, a factor on the learning rate.
    """
    decay = config.weight_decay
    groups = _scaled_groups(model, decay, lr_scale) if lr_scale else _two_groups(model.parameters(), decay)
    if config.optimizer == "sgd":
        return torch.optim.SGD(groups, config.learning_rate, momentum=0.9, nesterov=True)
    return torch.optim.AdamW(groups, config.learning_rate, betas=(0.9, 0.98))


def _two_groups(parameters: Iterable[nn.Parameter], decay: float) -> list[dict[str, Any]]:
    trained = [p for p in parameters if p.requires_grad]
    matrices, rest = [p for p in trained if p.ndim > 1], [p for p in trained if p.ndim <= 1]
    return [{"params": matrices, "weight_decay": decay}, {"params": rest, "weight_decay": 0.0}]


def _scaled_groups(model: nn.Module, decay: float, lr_scale: Callable[[str], float]) -> list[dict[str, Any]]:
    by_scale: dict[float, list[nn.Parameter]] = {}
    for name, parameter in model.named_parameters():
        by_scale.setdefault(lr_scale(name), []).append(parameter)
    pairs = ((scale, group) for scale, some in by_scale.items() for group in _two_groups(some, decay))
    return [{**group, LR_SCALE: scale} for scale, group in pairs]


def averaged_copy(model: nn.Module, decay: float) -> AveragedModel:
    """Return a copy of a model that follows it as an exponential average of weights and buffers; counts are copied.

    Early on the average follows quickly, so that random initial weights do not linger in it: the n-th update decays by
    min(``decay``, n / (n + 9)).
    """

    def follow(averaged: Sequence[Tensor], new: Sequence[Tensor], count: Tensor | int) -> None:
        n = int(count)
        for kept, value in zip(averaged, new, strict=True):
            if not kept.dtype.is_floating_point:
                kept.copy_(value)
            elif not torch.equal(kept, value):  # an attention mask stays as it is: between -inf and -inf lies NaN
                kept.lerp_(value, 1 - min(decay, n / (n + 9)))

    copy = AveragedModel(model, multi_avg_fn=follow, use_buffers=True)
    copy.n_averaged.fill_(1)  # at 0 the first update would replace the copy instead of averaging
    return copy.requires_grad_(False)


def read_optimizer_state(state: dict[str, Any]) -> dict[str, Any]:
    """Return an optimizer's stored state with today's keys: earlier releases called ``lr_scale`` ``rate``."""
    groups = [{LR_SCALE if key == "rate" else key: value for key, value in g.items()} for g in state["param_groups"]]
    return {**state, "param_groups": groups}
