"""Batch norm over the images of all processes, on any device (torch's SyncBatchNorm runs on GPUs alone)."""

from __future__ import annotations

from typing import Self

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from clip_emotion.training.parallel.process_group import ProcessGroup, total

KINDS = (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d)


class SyncBatchNorm(_BatchNorm):
    """Batch norm whose mean and variance are those of the whole batch; each process holds an equal share of it."""

    size = 1

    @classmethod
    def of(cls, norm: _BatchNorm, size: int) -> Self:
        """Return one that shares the weights and statistics of another; ``size`` processes hold the batch."""
        made = cls(norm.num_features, norm.eps, norm.momentum)
        made.weight, made.bias = norm.weight, norm.bias
        made.running_mean, made.running_var = norm.running_mean, norm.running_var
        made.num_batches_tracked = norm.num_batches_tracked
        made.size = size
        return made.train(norm.training)

    def forward(self, features: Tensor) -> Tensor:
        """[N, C, …] → [N, C, …]."""
        if not self.training:
            return super().forward(features)
        axes = [axis for axis in range(features.ndim) if axis != 1]
        shape = [-1 if axis == 1 else 1 for axis in range(features.ndim)]
        wide = features.float()
        count = self.size * features.numel() // self.num_features
        mean = total(wide.sum(axes)) / count
        centred = wide - mean.view(shape)
        variance = total(centred.square().sum(axes)) / count
        self._remember(mean.detach(), variance.detach() * count / max(1, count - 1))
        scale = self.weight * (variance + self.eps).rsqrt()
        return (centred * scale.view(shape) + self.bias.view(shape)).to(features.dtype)

    @torch.no_grad()
    def _remember(self, mean: Tensor, variance: Tensor) -> None:
        assert self.running_mean is not None
        assert self.running_var is not None
        assert self.num_batches_tracked is not None
        assert self.momentum is not None
        self.num_batches_tracked.add_(1)
        self.running_mean.lerp_(mean, self.momentum)
        self.running_var.lerp_(variance, self.momentum)

    def _check_input_dim(self, input: Tensor) -> None:
        """Take inputs of any number of axes."""


def _is_plain(norm: _BatchNorm) -> bool:
    return norm.affine and norm.track_running_stats and norm.momentum is not None


def convert_batch_norm(model: nn.Module, processes: ProcessGroup) -> None:
    """Replace torch's batch norms by those over the batch of all processes; a group of one keeps them.

    Other classes, such as timm's with an activation inside, keep each process's own statistics.
    """
    if processes.size == 1:
        return
    for name, child in model.named_children():
        if isinstance(child, _BatchNorm) and type(child) in KINDS and _is_plain(child):
            setattr(model, name, SyncBatchNorm.of(child, processes.size))
        else:
            convert_batch_norm(child, processes)
