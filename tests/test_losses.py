"""Losses against slow references, PyTorch's own and open_clip's."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from open_clip.loss import ClipLoss
from torch import Tensor
from torch.nn import functional as F

from clip_emotion.training.losses import multi_positive_contrast, paired_contrast, soft_cross_entropy

SEEDS = st.integers(0, 10_000)
SIDES = st.integers(1, 7)


def slow_direction(similarities: np.ndarray, positives: np.ndarray) -> float:
    """The mean over rows with a positive of -Σ_m w_nm / Σw_n · log(exp(s_nm) / Σ_k exp(s_nk)), in plain loops."""
    losses = []
    for scores, weights in zip(similarities.tolist(), positives.tolist(), strict=True):
        total = sum(weights)
        if total == 0:
            continue
        denominator = sum(math.exp(score) for score in scores)
        pairs = zip(scores, weights, strict=True)
        losses.append(-sum(weight / total * math.log(math.exp(score) / denominator) for score, weight in pairs))
    return sum(losses) / len(losses) if losses else 0.0


def draw(seed: int, rows: int, columns: int) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    similarities = 5 * torch.randn(rows, columns, generator=generator)
    weights = torch.rand(rows, columns, generator=generator)
    return similarities, torch.where(weights < 0.6, 0.0, weights)


@given(SEEDS, SIDES, SIDES)
def test_multi_positive_contrast_is_the_double_loop(seed: int, rows: int, columns: int) -> None:
    similarities, positives = draw(seed, rows, columns)
    wanted = (
        slow_direction(similarities.double().numpy(), positives.double().numpy())
        + slow_direction(similarities.T.double().numpy(), positives.T.double().numpy())
    ) / 2
    assert float(multi_positive_contrast(similarities, positives)) == pytest.approx(wanted, rel=1e-4, abs=1e-5)


@given(SEEDS, st.integers(2, 9), st.floats(1, 100))
def test_with_one_positive_each_it_is_clips_loss(seed: int, count: int, scale: float) -> None:
    generator = torch.Generator().manual_seed(seed)
    first, second = (F.normalize(torch.randn(count, 5, generator=generator), dim=1) for _ in range(2))
    wanted = ClipLoss()(first, second, torch.tensor(scale))
    torch.testing.assert_close(multi_positive_contrast(scale * first @ second.T, torch.eye(count)), wanted)
    torch.testing.assert_close(paired_contrast(first, second, scale), wanted)


@given(SEEDS, SIDES, st.floats(0.1, 50))
def test_only_the_proportions_of_the_weights_count(seed: int, rows: int, factor: float) -> None:
    # Each row's target is divided by its sum, and so is each column's: one factor for all changes neither.
    similarities, positives = draw(seed, rows, 4)
    once = multi_positive_contrast(similarities, positives)
    torch.testing.assert_close(multi_positive_contrast(similarities, factor * positives), once, rtol=1e-4, atol=1e-5)


@given(SEEDS, st.integers(1, 6), st.integers(2, 6))
def test_soft_cross_entropy_is_pytorchs(seed: int, rows: int, columns: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    logits = 3 * torch.randn(rows, columns, generator=generator)
    targets = torch.rand(rows, columns, generator=generator).softmax(dim=1)
    torch.testing.assert_close(soft_cross_entropy(logits, targets), F.cross_entropy(logits, targets))


def test_soft_cross_entropy_of_the_target_itself_is_its_entropy() -> None:
    targets = torch.tensor([[0.5, 0.25, 0.25]])
    assert float(soft_cross_entropy(targets.log(), targets)) == pytest.approx(1.5 * math.log(2))


def test_a_row_without_positives_is_left_out_of_its_own_direction() -> None:
    similarities, _ = draw(0, 3, 4)
    positives = torch.tensor([[1.0, 0, 0, 0], [0, 1.0, 0, 0], [0, 0, 0, 0]])
    rows = F.cross_entropy(similarities[:2], torch.tensor([0, 1]))
    columns = F.cross_entropy(similarities.T[:2], torch.tensor([0, 1]))  # columns 2 and 3 have no positive
    torch.testing.assert_close(multi_positive_contrast(similarities, positives), (rows + columns) / 2)


def test_without_any_positive_the_loss_and_its_gradient_are_zero() -> None:
    similarities = torch.randn(3, 4, requires_grad=True)
    loss = multi_positive_contrast(similarities, torch.zeros(3, 4))
    loss.backward()
    assert loss.item() == 0.0
    assert similarities.grad is not None
    assert similarities.grad.abs().sum() == 0
