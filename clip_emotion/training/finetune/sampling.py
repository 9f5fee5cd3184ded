"""What a balanced batch balances, where some classes are too rare for a share of their own."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Hashable, Sequence
from typing import Literal, Protocol, TypeVar

from clip_emotion.data.samplers import BalancedBatchSampler, BatchSampler, ShuffledBatchSampler
from clip_emotion.training.parallel.process_group import ALONE, ProcessGroup


class SamplerConfig(Protocol):
    """What a configuration says of its batches."""

    @property
    def sampler(self) -> Literal["balanced", "shuffled"]:
        """Balanced over the classes, or shuffled."""

    @property
    def by_source(self) -> bool:
        """Whether the sources of each class are balanced too."""

    @property
    def batch(self) -> int:
        """Images a step."""

    @property
    def seed(self) -> int:
        """The seed of the draws."""


def make_sampler(
    config: SamplerConfig, labels: Sequence[int], sources: Sequence[str], processes: ProcessGroup = ALONE
) -> BatchSampler:
    """Return the sampler that a configuration asks for, with this process's share of every batch of a group.

    Raises UsageError where the batch does not fit the images, or the group.
    """
    if config.sampler == "shuffled":
        return ShuffledBatchSampler(
            labels, config.batch, seed=config.seed, replicas=processes.size, rank=processes.rank
        )
    groups = with_rare_joined(labels, config.batch)
    parts = parts_of(groups, sources, config.batch) if config.by_source else None
    return BalancedBatchSampler(
        groups,
        config.batch,
        sources=parts,
        by_source=config.by_source,
        seed=config.seed,
        replicas=processes.size,
        rank=processes.rank,
    )


def with_rare_joined(labels: Sequence[int], batch: int) -> list[int]:
    """Return the class by which each row is balanced: one too rare for its share of a batch joins the next larger one.

    All images of such a group are drawn equally often, and none twice in a batch. A group is named
    by its largest class.
    """
    counts = Counter(labels)
    joined = {label: max(own, key=lambda one: (counts[one], one)) for own in _joined(counts, batch) for label in own}
    return [joined[label] for label in labels]


def parts_of(labels: Sequence[int], sources: Sequence[str], batch: int) -> list[str]:
    """Return the part of its class by which each row is balanced: its source, or several sources that are too rare.

    The smallest parts of a class are joined until each can fill its share of a batch without repeating an image.
    """
    counts: defaultdict[int, Counter[str]] = defaultdict(Counter)
    for label, source in zip(labels, sources, strict=True):
        counts[label][source] += 1
    share = -(-batch // max(1, len(counts)))
    names = {
        (label, source): "+".join(sorted(part))
        for label, own in counts.items()
        for part in _joined(own, share)
        for source in part
    }
    return [names[label, source] for label, source in zip(labels, sources, strict=True)]


Name = TypeVar("Name", bound=Hashable)


def _joined(counts: Counter[Name], batch: int) -> list[list[Name]]:
    """Join the two smallest groups until the smallest can fill its equal share of the batch, or one is left."""
    groups = [[name] for name in sorted(counts, key=lambda name: (counts[name], str(name)))]
    while len(groups) > 1 and _rows(groups[0], counts) * len(groups) < batch:
        merged = groups[0] + groups[1]
        groups = sorted([merged, *groups[2:]], key=lambda group: _rows(group, counts))
    return groups


def _rows(group: Sequence[Name], counts: Counter[Name]) -> int:
    return sum(counts[name] for name in group)
