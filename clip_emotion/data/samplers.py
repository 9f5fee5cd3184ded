"""Which rows make a batch: as many of each class, shuffled epochs, or rows repeated; pure in seed and step."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Generator, Tensor

from clip_emotion.errors import DataError, UsageError

Rows = NDArray[np.int64]
RECENT = 8
"""How many cycles of a group are remembered: threads that run ahead ask for slightly different ones."""


class Cycles:
    """The endless order in which one group's rows are drawn: each row once before any comes again.

    The group owns the slots ``offset``, ``offset + stride``, … of the endless row of all batches. Where a batch takes
    the last rows of one cycle and the first of the next, the next one begins with other rows, so that no batch holds a
    row twice; that needs at least as many rows as the group ever has slots in a batch.
    """

    def __init__(self, rows: Rows, key: tuple[int, ...], slots: tuple[int, int], batch_size: int) -> None:
        self.rows, self._key, self._batch_size = rows, key, batch_size
        self._offset, self._stride = slots
        # Replaced as a whole and never changed, so that threads may draw at the same time.
        self._recent: dict[int, Rows] = {}

    def row(self, draw: int) -> int:
        """Return the row of the group's n-th draw."""
        cycle, place = divmod(draw, len(self.rows))
        order = self._recent.get(cycle)
        return int((self._order(cycle) if order is None else order)[place])

    def _order(self, cycle: int) -> Rows:
        known, first = self._recent, cycle
        # A cycle that begins with a batch depends on none before it.
        while first not in known and self._shared(first)[0]:
            first -= 1
        order = known[first] if first in known else self._shuffled(first, None)
        for later in range(first + 1, cycle + 1):
            order = self._shuffled(later, order)
        kept = {number: rows for number, rows in known.items() if abs(number - cycle) < RECENT}
        self._recent = {**kept, cycle: order}
        return order

    def _shuffled(self, cycle: int, previous: Rows | None) -> Rows:
        order = np.random.default_rng((*self._key, cycle)).permutation(self.rows)
        before, after = self._shared(cycle)
        if previous is None or not before:
            return order
        free = np.flatnonzero(~np.isin(order, previous[-before:]))[:after]
        return np.concatenate((order[free], np.delete(order, free)))

    def _shared(self, cycle: int) -> tuple[int, int]:
        """Return how many draws of the batch in which a cycle begins come before it, and how many from then on."""
        draw = cycle * len(self.rows)
        step = (draw * self._stride + self._offset) // self._batch_size
        return draw - self._draws_before(step), self._draws_before(step + 1) - draw

    def _draws_before(self, step: int) -> int:
        return max(0, -(-(step * self._batch_size - self._offset) // self._stride))


class BatchSampler:
    """Batches of rows as a pure function of (seed, step); torch's DataLoader takes it as ``batch_sampler``.

    ``groups`` holds per class the rows of each of its parts. The slots of all batches form one endless row: they go
    round the classes in turn, and those of a class round its parts, so that neighbouring counts differ by one at most
    and the odd ones rotate. With ``replicas`` each process gets an equal run of neighbouring slots of the whole batch,
    which is balanced in itself; ``mine`` are its places in the whole batch.
    """

    def __init__(
        self,
        groups: Sequence[Sequence[Rows]],
        batch_size: int,
        seed: int,
        share: tuple[int, int],
        steps_per_epoch: int | None,
    ) -> None:
        self.batch_size, self.seed, self.epoch = batch_size, seed, 0
        self._groups = [
            [
                Cycles(rows, (seed, at, part), (part * len(groups) + at, len(groups) * len(parts)), batch_size)
                for part, rows in enumerate(parts)
            ]
            for at, parts in enumerate(groups)
        ]
        rank, replicas = share
        self.mine = range(batch_size * rank // replicas, batch_size * (rank + 1) // replicas)
        count = sum(len(rows) for parts in groups for rows in parts)
        self._length = steps_per_epoch or max(1, count // batch_size)

    def batch(self, step: int) -> list[int]:
        """Return the rows of a step, those of this process."""
        first = step * self.batch_size
        return [self._row(first + slot) for slot in self.mine]

    def whole(self, step: int) -> list[int]:
        """Return the rows of a step, those of all processes in the order of their ranks."""
        first = step * self.batch_size
        return [self._row(first + slot) for slot in range(self.batch_size)]

    def _row(self, slot: int) -> int:
        turn, at = divmod(slot, len(self._groups))
        draw, part = divmod(turn, len(self._groups[at]))
        return self._groups[at][part].row(draw)

    def __len__(self) -> int:
        return self._length

    def __iter__(self) -> Iterator[list[int]]:
        """Go through the batches of the epoch that ``set_epoch`` named last, at first of epoch 0."""
        first = self.epoch * self._length
        return (self.batch(step) for step in range(first, first + self._length))

    def set_epoch(self, epoch: int) -> None:
        """Choose the epoch that is gone through next; it follows from the seed and this number alone."""
        self.epoch = epoch


class BalancedBatchSampler(BatchSampler):
    """Batches with the same number of each class, give or take one, whose odd ones rotate over the classes.

    ``by_source`` also shares each class evenly, give or take one, among the sources that have it, so a class that a
    source lacks comes from the others alone. No batch holds a row twice, and a row comes again only when all of its
    class (and source) have been drawn. ``labels`` are numbers or names, one a row; an epoch has ``steps_per_epoch``
    batches, or as many as whole batches fit into the rows. With ``replicas`` processes the batches of ranks 0, 1, …
    joined are the batch of a single process; ``batch_size`` is that of all together.
    Raises UsageError where a class is too rare for its share of a batch, or for settings that do not fit together.
    """

    def __init__(  # noqa: PLR0913 - each is one plain setting, named by the caller
        self,
        labels: ArrayLike,
        batch_size: int,
        *,
        sources: Sequence[Any] | None = None,
        by_source: bool = False,
        seed: int = 0,
        replicas: int = 1,
        rank: int = 0,
        steps_per_epoch: int | None = None,
    ) -> None:
        classes = _checked(labels, batch_size, replicas, rank)
        if by_source and (sources is None or len(sources) != len(classes)):
            raise UsageError("Batches balanced by source need the source of every row: give as many as labels.")
        parts = np.asarray(sources) if by_source else np.zeros(len(classes), np.int64)
        groups = [[np.flatnonzero((classes == c) & (parts == s)) for s in np.unique(parts)] for c in np.unique(classes)]
        there = [[rows for rows in sources_of if len(rows)] for sources_of in groups]
        _check_rarest(there, np.unique(classes), batch_size)
        super().__init__(there, batch_size, seed, (rank, replicas), steps_per_epoch)


class ShuffledBatchSampler(BatchSampler):
    """Batches of shuffled epochs whatever the classes: every row once before any comes again, none twice in a batch.

    Of ``labels`` only the number counts. Raises UsageError where a batch is larger than the rows.
    """

    def __init__(
        self,
        labels: ArrayLike,
        batch_size: int,
        *,
        seed: int = 0,
        replicas: int = 1,
        rank: int = 0,
        steps_per_epoch: int | None = None,
    ) -> None:
        count = len(_checked(labels, batch_size, replicas, rank))
        _check_count(count, batch_size)
        super().__init__([[np.arange(count)]], batch_size, seed, (rank, replicas), steps_per_epoch)


def _checked(labels: ArrayLike, batch_size: int, replicas: int, rank: int) -> NDArray[Any]:
    classes = np.asarray(labels)
    if classes.ndim != 1 or not len(classes):
        raise DataError("There are no pictures to draw batches from: give one label a picture.")
    if replicas < 1 or not 0 <= rank < replicas:
        raise UsageError(f"Rank {rank} of {replicas} processes does not exist: ranks run from 0 to one less.")
    if batch_size < 1 or batch_size % replicas:
        raise UsageError(f"A batch of {batch_size} cannot be shared equally by {replicas} process(es): use a multiple.")
    return classes


def _check_count(count: int, batch_size: int) -> None:
    if batch_size > count:
        raise UsageError(f"A batch of {batch_size} is more than the {count} pictures: use a batch of at most {count}.")


def _check_rarest(groups: list[list[Rows]], names: NDArray[Any], batch_size: int) -> None:
    """Refuse a batch that would need some row twice: with C classes, n rows and S sources it is above n · S · C."""
    if len(groups) == len(groups[0]) == 1:
        _check_count(len(groups[0][0]), batch_size)
    room = [min(len(rows) for rows in parts) * len(parts) * len(groups) for parts in groups]
    at = int(np.argmin(room))
    if batch_size > room[at]:
        fewest = min(len(rows) for rows in groups[at])
        raise UsageError(
            f"Class '{names[at]}' has only {fewest} pictures{' in one source' if len(groups[at]) > 1 else ''}, too few "
            f"for its share of a balanced batch of {batch_size}: use a batch of at most {room[at]}."
        )


def shuffled_rows(count: int, batch: int, step: int, seed: int) -> list[int]:
    """Return the rows of a step: every row comes once before any comes again, in an order of its own each time.

    Unlike ``ShuffledBatchSampler`` it takes a batch larger than the rows, which then holds rows twice.
    """
    places = range(step * batch, (step + 1) * batch)
    orders = {
        epoch: np.random.default_rng((seed, epoch)).permutation(count)
        for epoch in range(places[0] // count, places[-1] // count + 1)
    }
    return [int(orders[place // count][place % count]) for place in places]


def repeated_rows(repeats: Tensor, epoch: int, seed: int) -> Tensor:
    """Return the shuffled rows of an epoch in which row n comes ``repeats[n]`` times, int64.

    What a number of repeats has beyond its whole part is the chance of one more.
    """
    generator = Generator().manual_seed(seed * 7919 + epoch)
    whole = repeats.floor()
    extra = torch.rand(len(repeats), generator=generator) < repeats - whole
    drawn = torch.arange(len(repeats)).repeat_interleave((whole + extra).long())
    return drawn[torch.randperm(len(drawn), generator=generator)]
