"""Balanced batches: every promise of the sampler as a property, counted from the batches alone."""

from __future__ import annotations

import math
from collections import Counter

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.utils.data import DataLoader, TensorDataset

from clip_emotion.data.samplers import BalancedBatchSampler, BatchSampler, ShuffledBatchSampler
from clip_emotion.errors import DataError, UsageError

STEPS = 30


@st.composite
def drawn_sets(draw: st.DrawFn) -> tuple[list[int], list[int], bool, int]:
    """Labels, sources, whether to balance sources too, and a batch size that can be kept."""
    cells = draw(st.lists(st.tuples(st.integers(0, 4), st.integers(0, 2), st.integers(1, 9)), min_size=1, max_size=9))
    rows = [(label, source) for label, source, count in cells for _ in range(count)]
    order = np.random.default_rng(draw(st.integers(0, 99))).permutation(len(rows))
    labels, sources = [rows[at][0] for at in order], [rows[at][1] for at in order]
    by_source = draw(st.booleans())
    return labels, sources, by_source, draw(st.integers(1, largest(labels, sources, by_source)))


def largest(labels: list[int], sources: list[int], by_source: bool) -> int:
    """Search upwards for the largest batch whose rarest group still fills its share."""
    pairs = Counter(zip(labels, sources if by_source else [0] * len(labels), strict=True))
    classes = set(labels)
    size = 1
    while all(
        math.ceil(math.ceil((size + 1) / len(classes)) / sum(other[0] == label for other in pairs)) <= count
        for (label, _), count in pairs.items()
    ):
        size += 1
    return size


def spread(counts: list[int]) -> int:
    return max(counts) - min(counts)


@given(drawn_sets(), st.integers(0, 3))
@settings(max_examples=150, deadline=None)
def test_every_batch_holds_the_same_number_of_each_class_and_no_row_twice(drawn, seed: int) -> None:
    labels, sources, by_source, size = drawn
    sampler = BalancedBatchSampler(labels, size, sources=sources, by_source=by_source, seed=seed)
    for step in range(STEPS):
        rows = sampler.batch(step)
        assert len(rows) == len(set(rows)) == size
        of_class = Counter(labels[row] for row in rows)
        assert spread([of_class[label] for label in set(labels)]) <= 1
        if by_source:
            of_pair = Counter((labels[row], sources[row]) for row in rows)
            for label in set(labels):
                there = {source for other, source in zip(labels, sources, strict=True) if other == label}
                assert spread([of_pair[label, source] for source in there]) <= 1


@given(drawn_sets())
@settings(max_examples=100, deadline=None)
def test_a_row_comes_again_only_when_its_group_is_used_up(drawn) -> None:
    labels, sources, by_source, size = drawn
    sampler = BalancedBatchSampler(labels, size, sources=sources, by_source=by_source)
    used = Counter(dict.fromkeys(range(len(labels)), 0))
    groups = [(label, source if by_source else 0) for label, source in zip(labels, sources, strict=True)]
    for step in range(STEPS):
        used.update(sampler.batch(step))
        for group in set(groups):
            assert spread([used[row] for row in used if groups[row] == group]) <= 1


@given(drawn_sets())
@settings(max_examples=50, deadline=None)
def test_the_odd_ones_rotate(drawn) -> None:
    labels, _, _, _ = drawn
    size = min(7, largest(labels, labels, False))
    sampler = BalancedBatchSampler(labels, size)
    total: Counter[int] = Counter()
    for step in range(STEPS):
        total.update(labels[row] for row in sampler.batch(step))
        assert spread([total[label] for label in set(labels)]) <= 1


@given(drawn_sets(), st.lists(st.integers(0, 400), min_size=1, max_size=8), st.integers(0, 5))
@settings(max_examples=60, deadline=None)
def test_a_batch_follows_from_seed_and_step_alone(drawn, steps: list[int], seed: int) -> None:
    labels, sources, by_source, size = drawn
    make = lambda: BalancedBatchSampler(labels, size, sources=sources, by_source=by_source, seed=seed)  # noqa: E731
    walked = make()
    in_order = [walked.batch(step) for step in range(max(steps) + 1)]
    jumping = make()
    for step in steps:
        assert jumping.batch(step) == in_order[step] == make().batch(step)


@given(drawn_sets(), st.integers(2, 4))
@settings(max_examples=60, deadline=None)
def test_the_parts_of_all_processes_are_the_batch_of_one(drawn, replicas: int) -> None:
    labels, sources, by_source, size = drawn
    whole = size // replicas * replicas
    if not whole:
        return
    options = {"sources": sources, "by_source": by_source, "seed": 3}
    single = BalancedBatchSampler(labels, whole, **options)
    ranks = [BalancedBatchSampler(labels, whole, replicas=replicas, rank=rank, **options) for rank in range(replicas)]
    for step in range(8):
        parts = [sampler.batch(step) for sampler in ranks]
        assert [row for part in parts for row in part] == single.batch(step)
        for part in parts:
            assert len(part) == whole // replicas
            counts = Counter(labels[row] for row in part)
            assert spread([counts[label] for label in set(labels)]) <= 1


@pytest.mark.parametrize("kind", [BalancedBatchSampler, ShuffledBatchSampler])
def test_seeds_differ_and_epochs_differ(kind: type[BatchSampler]) -> None:
    labels = [0] * 40 + [1] * 60
    first, other = kind(labels, 10, seed=0), kind(labels, 10, seed=1)
    assert list(first) != list(other)
    epoch = list(first)
    assert list(first) == epoch
    first.set_epoch(1)
    assert list(first) != epoch
    assert len(epoch) == len(first) == 10
    assert list(first) == [first.batch(step) for step in range(10, 20)]
    assert len(kind(labels, 10, steps_per_epoch=3)) == len(list(kind(labels, 10, steps_per_epoch=3))) == 3


@given(st.integers(1, 30), st.data())
@settings(max_examples=60, deadline=None)
def test_shuffled_epochs_use_every_row_once_and_none_twice_in_a_batch(count: int, data: st.DataObject) -> None:
    size = data.draw(st.integers(1, count))
    sampler = ShuffledBatchSampler([0] * count, size, seed=data.draw(st.integers(0, 9)))
    used = Counter(dict.fromkeys(range(count), 0))
    for step in range(STEPS):
        rows = sampler.batch(step)
        assert len(set(rows)) == size
        used.update(rows)
        assert spread(list(used.values())) <= 1


def test_shuffled_epochs_follow_the_classes_own_shares() -> None:
    labels = [0] * 90 + [1] * 10
    drawn = [labels[row] for rows in ShuffledBatchSampler(labels, 20) for row in rows]
    assert Counter(drawn) == {0: 90, 1: 10}


def test_the_loader_of_torch_takes_it() -> None:
    labels = torch.tensor([0] * 30 + [1] * 5)
    sampler = BalancedBatchSampler(labels, 8, seed=2, steps_per_epoch=6)
    batches = list(DataLoader(TensorDataset(labels, torch.arange(35)), batch_sampler=sampler))
    assert [rows.tolist() for _, rows in batches] == list(sampler)
    assert all(int(classes.sum()) == 4 for classes, _ in batches)


def test_names_do_as_well_as_numbers() -> None:
    names = ["fear"] * 5 + ["anger"] * 9
    assert list(BalancedBatchSampler(names, 4)) == list(BalancedBatchSampler([1] * 5 + [0] * 9, 4))


@given(drawn_sets())
@settings(max_examples=60, deadline=None)
def test_a_batch_that_needs_a_row_twice_is_refused_with_the_largest_that_works(drawn) -> None:
    labels, sources, by_source, _ = drawn
    most = largest(labels, sources, by_source)
    with pytest.raises(
        UsageError, match=rf"(Class '\d' has only \d+|more than the \d+) pictures.*use a batch of at most {most}\.$"
    ):
        BalancedBatchSampler(labels, most + 1, sources=sources, by_source=by_source)


def test_the_rarest_class_is_named() -> None:
    with pytest.raises(UsageError, match=r"^Class 'disgust' has only 2 pictures, too few .* at most 6\.$"):
        BalancedBatchSampler(["anger"] * 9 + ["disgust"] * 2 + ["fear"] * 4, 7)


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"batch_size": 0}, "batch of 0"),
        ({"batch_size": 5, "replicas": 2}, "shared equally by 2"),
        ({"batch_size": 4, "replicas": 2, "rank": 2}, "Rank 2 of 2"),
        ({"batch_size": 4, "by_source": True}, "need the source of every row"),
        ({"batch_size": 4, "by_source": True, "sources": [1, 2]}, "need the source of every row"),
    ],
)
def test_settings_that_do_not_fit_are_one_sentence(options: dict[str, object], sentence: str) -> None:
    with pytest.raises(UsageError, match=sentence):
        BalancedBatchSampler([0, 0, 1, 1, 1], **options)


def test_no_pictures_and_too_large_a_shuffled_batch() -> None:
    with pytest.raises(DataError, match="no pictures"):
        BalancedBatchSampler([], 2)
    with pytest.raises(UsageError, match="more than the 3 pictures: use a batch of at most 3"):
        ShuffledBatchSampler([0, 1, 1], 4)
