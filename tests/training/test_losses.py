"""Losses against slow references, PyTorch's own and open_clip's."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from open_clip.loss import ClipLoss
from sklearn.utils.class_weight import compute_class_weight
from torch import Tensor
from torch.nn import functional as F

from clip_emotion.config import validate
from clip_emotion.errors import UsageError
from clip_emotion.training.loss_config import LossConfig
from clip_emotion.training.losses import (
    class_weighted_cross_entropy,
    class_weights,
    combined,
    multi_positive_contrast,
    paired_contrast,
    soft_cross_entropy,
    supervised_contrast,
)

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


def slow_supervised_contrast(embeddings: list[list[float]], labels: list[int], temperature: float) -> float:
    """L_out of the SupCon paper, equation 2, in plain loops over anchors, positives and all others."""
    losses = []
    for i, anchor in enumerate(embeddings):
        scores = {
            a: sum(x * y for x, y in zip(anchor, other, strict=True)) / temperature
            for a, other in enumerate(embeddings)
            if a != i
        }
        positives = [a for a in scores if labels[a] == labels[i]]
        if positives:
            total = math.log(sum(math.exp(score) for score in scores.values()))
            losses.append(-sum(scores[p] - total for p in positives) / len(positives))
    return sum(losses) / len(losses) if losses else 0.0


@given(SEEDS, st.integers(1, 9), st.integers(1, 4), st.floats(0.05, 2))
def test_supervised_contrast_is_the_triple_loop(seed: int, count: int, classes: int, temperature: float) -> None:
    generator = torch.Generator().manual_seed(seed)
    embeddings = F.normalize(torch.randn(count, 4, generator=generator), dim=1)
    labels = torch.randint(classes, (count,), generator=generator)
    wanted = slow_supervised_contrast(embeddings.double().tolist(), labels.tolist(), temperature)
    assert float(supervised_contrast(embeddings, labels, temperature)) == pytest.approx(wanted, rel=1e-4, abs=1e-5)


def test_supervised_contrast_pulls_a_class_together_and_others_apart() -> None:
    generator = torch.Generator().manual_seed(0)
    free = torch.randn(8, 3, generator=generator, requires_grad=True)
    labels = torch.tensor([0, 0, 0, 0, 1, 1, 1, 1])
    for _ in range(200):
        loss = supervised_contrast(F.normalize(free, dim=1), labels, 0.5)
        (gradient,) = torch.autograd.grad(loss, free)
        free = (free - gradient).detach().requires_grad_()
    cosines = (F.normalize(free, dim=1) @ F.normalize(free, dim=1).T).detach()
    same = labels[:, None] == labels
    assert float(cosines[same].min()) > 0.9
    assert float(cosines[~same].max()) < -0.9


def test_supervised_contrast_without_positives_is_zero_with_a_gradient() -> None:
    embeddings = torch.eye(3, requires_grad=True)
    loss = supervised_contrast(embeddings, torch.tensor([0, 1, 2]), 0.1)
    loss.backward()
    assert loss.item() == 0.0
    assert embeddings.grad is not None
    assert embeddings.grad.isfinite().all()


def slow_weighted_cross_entropy(
    logits: list[list[float]], labels: list[int], weights: list[float], smoothing: float
) -> float:
    total, divisor = 0.0, 0.0
    for scores, label in zip(logits, labels, strict=True):
        log_sum = math.log(sum(math.exp(score) for score in scores))
        for c, score in enumerate(scores):
            target = (1 - smoothing) * (c == label) + smoothing / len(scores)
            total -= weights[c] * target * (score - log_sum)
        divisor += weights[label]
    return total / divisor


@given(SEEDS, st.integers(1, 7), st.integers(2, 5), st.sampled_from([0.0, 0.1, 0.5]))
def test_weighted_cross_entropy_is_the_double_loop(seed: int, rows: int, classes: int, smoothing: float) -> None:
    generator = torch.Generator().manual_seed(seed)
    logits = 3 * torch.randn(rows, classes, generator=generator)
    labels = torch.randint(classes, (rows,), generator=generator)
    weights = torch.rand(classes, generator=generator) + 0.1
    wanted = slow_weighted_cross_entropy(logits.tolist(), labels.tolist(), weights.tolist(), smoothing)
    assert float(class_weighted_cross_entropy(logits, labels, weights, smoothing)) == pytest.approx(
        wanted, rel=1e-4, abs=1e-6
    )
    alike = slow_weighted_cross_entropy(logits.tolist(), labels.tolist(), [1.0] * classes, smoothing)
    assert float(class_weighted_cross_entropy(logits, labels, None, smoothing)) == pytest.approx(
        alike, rel=1e-4, abs=1e-6
    )


COUNTS = st.lists(st.integers(1, 5000), min_size=2, max_size=8)


@given(COUNTS)
def test_inverse_weights_are_scikit_learns_up_to_scale(counts: list[int]) -> None:
    labels = np.repeat(np.arange(len(counts)), counts)
    wanted = compute_class_weight("balanced", classes=np.arange(len(counts)), y=labels)
    weights = class_weights(torch.tensor(counts), "inverse")
    assert weights is not None
    np.testing.assert_allclose(weights.numpy(), wanted / wanted.mean(), rtol=1e-5)


@given(COUNTS, st.sampled_from([0.9, 0.99, 0.999, 0.9999]))
def test_effective_weights_count_the_covered_volume(counts: list[int], beta: float) -> None:
    """The effective number E_n obeys E_1 = 1 and E_n = 1 + β · E_(n-1), the paper's recursion."""

    def effective(count: int) -> float:
        number = 0.0
        for _ in range(count):
            number = 1 + beta * number
        return number

    raw = [1 / effective(count) for count in counts]
    weights = class_weights(torch.tensor(counts), "effective", beta)
    assert weights is not None
    np.testing.assert_allclose(weights.numpy(), np.array(raw) / np.mean(raw), rtol=1e-5)


def test_weights_at_their_ends_and_of_absent_classes() -> None:
    counts = torch.tensor([100, 0, 50])
    assert class_weights(counts, "none") is None
    torch.testing.assert_close(class_weights(counts, "inverse"), torch.tensor([2 / 3, 0.0, 4 / 3]))
    torch.testing.assert_close(class_weights(counts, "effective", 0.0), torch.tensor([1.0, 0.0, 1.0]))
    close = class_weights(counts, "effective", 1 - 1e-9)
    torch.testing.assert_close(close, class_weights(counts, "inverse"), rtol=1e-4, atol=0)


def test_parts_are_added_by_their_weights() -> None:
    parts = {"contrast": torch.tensor(2.0), "classify": torch.tensor(3.0), "supcon": torch.tensor(5.0)}
    assert float(combined(parts, LossConfig(contrast=1, classify=0.5, supcon=0.1))) == pytest.approx(4.0)
    assert float(combined(parts, LossConfig())) == 2.0
    assert float(combined({"supcon": parts["supcon"]}, LossConfig(contrast=0, supcon=2))) == 10.0
    with pytest.raises(KeyError, match="classify"):
        combined({"contrast": parts["contrast"]}, LossConfig(classify=1))


@pytest.mark.parametrize("values", [{"contrast": 0}, {"contrast": -1}, {"triplet": 1}, {"label_smoothing": 1.0}])
def test_a_faulty_loss_configuration_is_told(values: dict[str, float]) -> None:
    with pytest.raises(UsageError, match="1 fault"):
        validate(LossConfig, values, "train.yaml")
