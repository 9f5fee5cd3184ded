"""Temperature against a grid search, bins against a loop, and their error from torchmetrics against both."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torchmetrics.functional.classification import multiclass_calibration_error

from clip_emotion.errors import UsageError
from clip_emotion.evaluation.calibration import calibrate, fit_temperature, negative_log_likelihood, reliability
from clip_emotion.evaluation.folds import stratified_folds


def drawn(seed: int, scale: float, rows: int = 3000) -> tuple[np.ndarray, np.ndarray]:
    """Similarities whose targets are drawn from softmax(scale · similarity): the truth is T = 1 / scale."""
    rng = np.random.default_rng(seed)
    similarities = rng.uniform(-1, 1, size=(rows, 6))
    return similarities, (scale * similarities + rng.gumbel(size=similarities.shape)).argmax(axis=1)


@pytest.mark.parametrize("scale", [1.5, 8.0, 40.0])
def test_temperature_is_the_best_of_a_grid_and_near_the_truth(scale: float) -> None:
    similarities, targets = drawn(0, scale)
    temperature = fit_temperature(similarities, targets)
    best = negative_log_likelihood(similarities, targets, 1 / temperature)
    grid = np.exp(np.linspace(np.log(0.05), np.log(500), 400))
    values = [negative_log_likelihood(similarities, targets, float(one)) for one in grid]
    assert best <= min(values) + 1e-9
    assert 1 / temperature == pytest.approx(grid[int(np.argmin(values))], rel=0.03)
    assert 1 / temperature == pytest.approx(scale, rel=0.15)


def test_likelihood_agrees_with_a_loop() -> None:
    similarities, targets = drawn(1, 3.0, rows=20)
    total = 0.0
    for row, target in zip(3.0 * similarities, targets, strict=True):
        total -= np.log(np.exp(row[target]) / np.exp(row).sum())
    assert negative_log_likelihood(similarities, targets, 3.0) == pytest.approx(total / 20)


def test_nothing_to_fit_on_is_told() -> None:
    with pytest.raises(UsageError):
        fit_temperature(np.zeros((0, 3)), np.zeros(0, dtype=int))


# At an inner edge rounding decides on the bin, and numpy and torch may round it differently.
CONFIDENCES = st.floats(0, 1).filter(lambda one: one in (0, 1) or abs(one * 15 - round(one * 15)) > 1e-9)


@given(st.lists(st.tuples(CONFIDENCES, st.booleans()), max_size=60))
@settings(max_examples=60, deadline=None)
def test_bins_agree_with_a_loop(answers: list[tuple[float, bool]]) -> None:
    confidence = np.array([one for one, _ in answers], dtype=float)
    correct = np.array([one for _, one in answers], dtype=bool)
    bins = reliability(confidence, correct)
    edges = np.linspace(0, 1, 16)
    gap = 0.0
    for number in range(15):
        last = number == 14
        inside = [
            (one, right)
            for one, right in answers
            if edges[number] <= one and (one < edges[number + 1] or (last and one == 1))
        ]
        assert bins.counts[number] == len(inside)
        if inside:
            gap += abs(sum(one for one, _ in inside) - sum(right for _, right in inside))
    assert bins.counts.sum() == len(answers)
    assert bins.ece == pytest.approx(gap / len(answers) if answers else 0.0, abs=1e-9)


def test_full_confidence_falls_into_the_last_bin() -> None:
    bins = reliability(np.array([1.0, 1.0]), np.array([True, False]))
    assert bins.counts[-1] == 2
    assert bins.ece == pytest.approx(0.5)


@given(st.lists(st.tuples(CONFIDENCES, st.booleans()), min_size=1, max_size=60))
@settings(max_examples=60, deadline=None)
def test_the_diagram_shows_the_error_that_torchmetrics_tells(answers: list[tuple[float, bool]]) -> None:
    confidence, correct = (np.array(column) for column in zip(*answers, strict=True))
    bins = reliability(confidence, correct)
    shown = np.nansum(np.abs(bins.accuracy - bins.confidence) * bins.counts) / len(answers)
    assert bins.ece == pytest.approx(shown, abs=1e-9)


def test_the_error_agrees_with_the_multiclass_call() -> None:
    rng = np.random.default_rng(5)
    probabilities, targets = rng.dirichlet(np.full(4, 0.3), size=500), rng.integers(0, 4, 500)
    bins = reliability(probabilities.max(axis=1), probabilities.argmax(axis=1) == targets)
    reference = multiclass_calibration_error(
        torch.tensor(probabilities), torch.tensor(targets), num_classes=4, n_bins=15, norm="l1"
    )
    assert bins.ece == pytest.approx(float(reference), abs=1e-6)


@pytest.mark.parametrize("over", [1.0, 1.0 + 1e-7])
def test_a_sum_rounded_above_one_is_no_logit(over: float) -> None:
    confidence = np.array([over, 0.5, 0.25], dtype=np.float32)
    bins = reliability(confidence, np.array([True, True, False]))
    assert bins.ece == pytest.approx((0.5 + 0.25) / 3, abs=1e-6)


def test_what_a_temperature_is_worth_is_measured_on_rows_that_it_was_not_fitted_on() -> None:
    similarities, targets = drawn(3, 4.0, rows=600)
    found = calibrate(20 * similarities, targets, folds=4, seed=1)
    assert found.temperature == pytest.approx(5.0, rel=0.15)
    assert (found.n, found.after.nll < found.before.nll, found.after.ece < found.before.ece) == (600, True, True)
    logits = torch.from_numpy(20 * similarities)
    assert found.before.nll == pytest.approx(
        float(torch.nn.functional.cross_entropy(logits, torch.from_numpy(targets)))
    )
    folds, held = stratified_folds(targets, 4, 1), np.empty_like(similarities)
    for fold in range(4):
        rest = folds != fold
        held[~rest] = similarities[~rest] / fit_temperature(similarities[rest], targets[rest], 1 / (rest.sum() + 2))
    assert found.after.nll == pytest.approx(negative_log_likelihood(held, targets, 1.0), rel=1e-4)


def test_a_temperature_that_is_no_gain_held_out_is_not_taken() -> None:
    similarities, targets = drawn(2, 1.0, rows=30)
    found = calibrate(similarities, targets)
    assert found.after.nll > found.before.nll
    assert (found.better, found.temperature) == (False, 1.0)


def test_rows_that_are_all_right_have_no_temperature_of_nought() -> None:
    logits, targets = np.tile(np.eye(2), (20, 1)), np.tile([0, 1], 20)
    assert fit_temperature(logits, targets) < 0.03
    # The loss is least where p of the target is 1 - smoothing / 2.
    share = 1 - 1 / 42 / 2
    assert calibrate(logits, targets).temperature == pytest.approx(1 / np.log(share / (1 - share)), rel=1e-3)


def test_a_temperature_of_a_few_rows_is_refused() -> None:
    with pytest.raises(UsageError, match="20 labelled rows"):
        calibrate(np.zeros((19, 2)), np.zeros(19, dtype=int))
