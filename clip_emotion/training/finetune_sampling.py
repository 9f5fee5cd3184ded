"""What a balanced batch balances, where some classes are too rare for a share of their own."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence

from clip_emotion.data.balanced import BalancedBatchSampler, BatchSampler, ShuffledBatchSampler
from clip_emotion.training.finetune_config import FinetuneConfig
from clip_emotion.training.team import ALONE, Team


def make_sampler(
    config: FinetuneConfig, labels: Sequence[int], sources: Sequence[str], team: Team = ALONE
) -> BatchSampler:
    """Return the sampler that a configuration asks for, with this member's share of every batch of a team.

    Raises UsageError where the batch does not fit the pictures, or the team.
    """
    if config.sampler == "shuffled":
        return ShuffledBatchSampler(labels, config.batch, seed=config.seed, replicas=team.size, rank=team.rank)
    groups = with_rare_joined(labels, config.batch)
    parts = parts_of(groups, sources, config.batch) if config.by_source else None
    return BalancedBatchSampler(
        groups,
        config.batch,
        sources=parts,
        by_source=config.by_source,
        seed=config.seed,
        replicas=team.size,
        rank=team.rank,
    )


def with_rare_joined(labels: Sequence[int], batch: int) -> list[int]:
    """Return the class by which each row is balanced: one too rare for its share of a batch joins the next larger one.

    All pictures of such a group are drawn equally often, and none twice in a batch.
    """
    counts = Counter(labels)
    share = -(-batch // max(1, len(counts)))
    groups: list[list[int]] = []
    for label, _ in sorted(counts.items(), key=lambda item: (item[1], item[0])):
        # The joined classes leave fewer groups, whose shares are larger: the next check is against that.
        if groups and sum(counts[one] for one in groups[-1]) < share:
            groups[-1].append(label)
        else:
            groups.append([label])
        share = -(-batch // (len(counts) - sum(len(own) - 1 for own in groups)))
    joined = {label: own[-1] for own in groups for label in own}
    return [joined[label] for label in labels]


def parts_of(labels: Sequence[int], sources: Sequence[str], batch: int) -> list[str]:
    """Return the part of its class by which each row is balanced: its source, or several sources that are too rare.

    The smallest parts of a class are joined until each can fill its share of a batch without repeating a picture.
    """
    counts: defaultdict[int, Counter[str]] = defaultdict(Counter)
    for label, source in zip(labels, sources, strict=True):
        counts[label][source] += 1
    joined = {label: _joined_parts(own, batch, len(counts)) for label, own in counts.items()}
    return [joined[label][source] for label, source in zip(labels, sources, strict=True)]


def _joined_parts(counts: Counter[str], batch: int, classes: int) -> dict[str, str]:
    parts = [[name] for name, _ in sorted(counts.items(), key=lambda item: (item[1], item[0]))]
    while len(parts) > 1 and sum(counts[name] for name in parts[0]) * len(parts) * classes < batch:
        merged = parts[0] + parts[1]
        parts = sorted([merged, *parts[2:]], key=lambda part: sum(counts[name] for name in part))
    return {name: "+".join(sorted(part)) for part in parts for name in part}
