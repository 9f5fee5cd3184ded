"""The processes that take one training step together, each with its share of the same batch.

Every process computes the loss of the whole batch from embeddings gathered from all. The gathering's backward pass adds
up what every process's loss asks of a row, so with k processes a gradient is k times its share of the single process's,
or k times the whole where a weight lies behind the gathering; their mean over the processes is in both cases exactly
what a single process computes, for any loss.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any, TypeVar

import torch
import torch.distributed as dist
from torch import Tensor, nn

BUCKET = 2**23
"""So many numbers of gradients, or a little more, travel at once."""
SEEDS_APART = 2**40
T = TypeVar("T")


def _never() -> bool:
    return False


@dataclass(frozen=True)
class ProcessGroup:
    """One process's view: its rank among ``size`` processes that torch.distributed's default group joins.

    All processes must make the same calls in the same order. A group of one calls nothing and changes nothing.
    ``asked`` tells whether someone outside has asked the run to stop.
    """

    rank: int = 0
    size: int = 1
    device: torch.device = field(default_factory=lambda: torch.device("cpu"))
    asked: Callable[[], bool] = _never

    @property
    def is_main(self) -> bool:
        """Whether this process validates, writes and reports."""
        return self.rank == 0

    @property
    def seed(self) -> int:
        """What this process adds to a step's seed, so that no two drop out the same; 0 for the main one."""
        return self.rank * SEEDS_APART

    def gather(self, rows: Tensor) -> Tensor:
        """Return all processes' rows [N, …] in the order of their ranks, [size · N, …]; gradients flow back to each."""
        if self.size == 1:
            return rows
        before = rows.new_zeros(self.rank * len(rows), *rows.shape[1:])
        after = rows.new_zeros((self.size - self.rank - 1) * len(rows), *rows.shape[1:])
        return total(torch.cat((before, rows, after)))

    def average_gradients(self, parameters: Iterable[nn.Parameter]) -> None:
        """Replace each gradient by its mean over the processes."""
        if self.size == 1:
            return
        for bucket in _buckets([p.grad for p in parameters if p.grad is not None]):
            joined = torch.cat([gradient.flatten() for gradient in bucket])
            dist.all_reduce(joined)
            joined /= self.size
            for gradient, mean in zip(bucket, torch.split(joined, [g.numel() for g in bucket]), strict=True):
                gradient.copy_(mean.view(gradient.shape))

    def broadcast_weights(self, model: nn.Module) -> None:
        """Give every process the main one's weights and buffers."""
        if self.size > 1:
            for tensor in model.state_dict().values():
                # NCCL sends no strided views, such as weights in channels-last order.
                sent = tensor.contiguous()
                dist.broadcast(sent, 0)
                tensor.copy_(sent)

    def broadcast_object(self, make: Callable[[], T]) -> T:
        """Make something in the main process, and return it to every process."""
        if self.size == 1:
            return make()
        box: list[Any] = [make() if self.is_main else None]
        dist.broadcast_object_list(box, 0, device=self.device)
        made: T = box[0]
        return made

    def main_first(self, make: Callable[[], T]) -> T:
        """Make something in every process, the main one first: what it leaves on disk the others find."""
        if self.is_main:
            made = make()
            self.broadcast_object(_never)
            return made
        self.broadcast_object(_never)
        return make()

    def any_stop(self, interrupted: bool) -> bool:
        """Return to every process whether any was interrupted or asked to stop."""
        mine = interrupted or self.asked()
        if self.size == 1:
            return mine
        flag = torch.tensor([float(mine)], device=self.device)
        dist.all_reduce(flag)
        return bool(flag.item())


ALONE = ProcessGroup()
"""The group of a single process."""


class _Total(torch.autograd.Function):
    """The sum over all processes, whose gradient is the sum of all processes' gradients."""

    @staticmethod
    def forward(ctx: Any, values: Tensor) -> Tensor:
        summed = values.detach().contiguous().clone()
        dist.all_reduce(summed)
        return summed

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Tensor:
        summed = gradient.contiguous().clone()
        dist.all_reduce(summed)
        return summed


def total(values: Tensor) -> Tensor:
    """Return the sum of a tensor over all processes, with gradients that flow back to each."""
    summed: Tensor = _Total.apply(values)
    return summed


def _buckets(gradients: Iterable[Tensor]) -> list[list[Tensor]]:
    buckets: list[list[Tensor]] = []
    filled = 0
    for gradient in gradients:
        if not buckets or filled >= BUCKET or buckets[-1][0].dtype != gradient.dtype:
            buckets.append([])
            filled = 0
        buckets[-1].append(gradient)
        filled += gradient.numel()
    return buckets
