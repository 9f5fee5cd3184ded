"""Weights of an ensemble against other ways to find them, and gains against a bootstrap by hand."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from sklearn.metrics import accuracy_score, recall_score

from clip_emotion.arrays import FloatArray, IntArray
from clip_emotion.errors import UsageError
from clip_emotion.evaluation.answers import Answers
from clip_emotion.evaluation.bootstrap import Resampling, row_draws
from clip_emotion.evaluation.ensembles import cross_fitted_weights, fit_weights, gains

KEYS = ("angry", "happy", "sad", "fear")


def told(rows: int = 300, seed: int = 0, sharp: tuple[float, ...] = (2.0, 1.2, 0.3)) -> tuple[FloatArray, IntArray]:
    """Probabilities of three models [3, N, 4], each better than the next, and the truth."""
    generator = np.random.default_rng(seed)
    targets = generator.integers(0, 4, rows)
    logits = generator.normal(size=(len(sharp), rows, 4))
    for model, extra in enumerate(sharp):
        logits[model, np.arange(rows), targets] += extra
    exponents = np.exp(1.5 * logits)
    return exponents / exponents.sum(axis=2, keepdims=True), targets


def loss(weights: FloatArray, probabilities: FloatArray, targets: IntArray) -> float:
    rows = range(len(targets))
    return -float(np.mean([np.log(weights @ probabilities[:, row, targets[row]]) for row in rows]))


def test_weights_are_those_of_expectation_maximisation() -> None:
    probabilities, targets = told()
    hits = probabilities[:, np.arange(len(targets)), targets]
    expected = np.full(3, 1 / 3)
    for _ in range(20_000):
        shares = expected[:, None] * hits
        expected = (shares / shares.sum(axis=0)).mean(axis=1)
    found = fit_weights(probabilities, targets)
    np.testing.assert_allclose(found, expected, atol=2e-3)
    assert found.sum() == pytest.approx(1)
    assert (found >= 0).all()
    assert np.array_equal(found, fit_weights(probabilities, targets))


def test_no_weights_of_a_grid_do_better() -> None:
    probabilities, targets = told(rows=80, seed=4)
    steps = np.linspace(0, 1, 21)
    grid = [(a, b, 1 - a - b) for a, b in itertools.product(steps, steps) if a + b <= 1]
    best = min(loss(np.array(weights), probabilities, targets) for weights in grid)
    assert loss(fit_weights(probabilities, targets), probabilities, targets) <= best + 1e-6


def test_a_model_that_is_always_wrong_gets_nothing_and_equals_share() -> None:
    probabilities, targets = told(rows=120)
    wrong = np.zeros_like(probabilities[0])
    wrong[np.arange(120), (targets + 1) % 4] = 1
    weights = fit_weights(np.stack([probabilities[0], wrong]), targets)
    np.testing.assert_array_equal(weights, [1, 0])
    twins = np.stack([probabilities[0], probabilities[0]])
    np.testing.assert_allclose(fit_weights(twins, targets), [0.5, 0.5])
    with pytest.raises(UsageError, match="there are none here"):
        fit_weights(probabilities[:, :0], targets[:0])


def test_cross_fitted_weights_of_a_row_never_saw_it() -> None:
    probabilities, targets = told(rows=50)
    weights = cross_fitted_weights(probabilities, targets, seed=3)
    np.testing.assert_allclose(weights.sum(axis=0), 1)
    for row in (0, 17, 49):
        other = probabilities.copy()
        other[:, row] = np.roll(other[::-1, row], 1, axis=1)
        changed = cross_fitted_weights(other, targets, seed=3)
        same = (weights == weights[:, [row]]).all(axis=0)
        assert same.sum() >= 9
        np.testing.assert_array_equal(changed[:, row], weights[:, row])
        assert not np.array_equal(changed[:, ~same], weights[:, ~same])
    with pytest.raises(UsageError, match="two labelled pictures or more"):
        cross_fitted_weights(probabilities[:, :1], targets[:1])


def test_gains_are_paired_over_the_same_rows() -> None:
    probabilities, targets = told(rows=400, sharp=(0.9, 1.0, 0.4))
    members = [Answers.of(own, targets, KEYS) for own in probabilities]
    both = Answers.of(probabilities.mean(axis=0), targets, KEYS)
    accuracy, recall = gains(targets, both, members, len(KEYS), Resampling(seed=1))
    scores = [accuracy_score(targets, one.answers) for one in members]
    assert accuracy.best == int(np.argmax(scores))
    assert accuracy.value == pytest.approx(accuracy_score(targets, both.answers) - max(scores))
    best = members[accuracy.best].answers
    drawn = [
        (targets[rows] == both.answers[rows]).mean() - (targets[rows] == best[rows]).mean()
        for rows in row_draws(400, Resampling(2000, 9))
    ]
    np.testing.assert_allclose(accuracy.interval, np.quantile(drawn, [0.025, 0.975]), atol=0.008)
    # Draws that are not paired would tell the best member from itself.
    itself = gains(targets, members[accuracy.best], members, len(KEYS), Resampling(seed=1))[0]
    assert (itself.value, itself.interval) == (0, (0, 0))
    recalls = [recall_score(targets, one.answers, average="macro") for one in members]
    assert recall.value == pytest.approx(recall_score(targets, both.answers, average="macro") - max(recalls))
    assert recall.interval[0] <= recall.value <= recall.interval[1]
