"""Label-free prior correction: against the equations written out row by row, and against known shares."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.special import log_softmax, softmax

from clip_emotion.errors import UsageError
from clip_emotion.evaluation.priors import CORRECTIONS, prior_shift

SHARES = (0.7, 0.2, 0.1)


def rows(shares: tuple[float, ...] = SHARES, count: int = 4000) -> tuple[np.ndarray, np.ndarray]:
    """Draw from three normal distributions by shares, with the logits that are right where all are equally frequent."""
    random = np.random.default_rng(0)
    truth = random.choice(len(shares), count, p=shares)
    points = random.normal(size=(count, 2)) + 1.5 * np.array([[0, 0], [1, 0], [0, 1]])[truth]
    means = 1.5 * np.array([[0, 0], [1, 0], [0, 1]])
    return -0.5 * ((points[:, None] - means) ** 2).sum(axis=2), truth


def em_by_hand(probabilities: np.ndarray, steps: int) -> np.ndarray:
    """Saerens et al. 2002, equations 2 and 3, one row after the other."""
    classes = probabilities.shape[1]
    shares = [1 / classes] * classes
    for _ in range(steps):
        corrected = []
        for row in probabilities:
            weighed = [p * share * classes for p, share in zip(row, shares, strict=True)]
            corrected.append([value / sum(weighed) for value in weighed])
        shares = [sum(column) / len(corrected) for column in zip(*corrected, strict=True)]
    return np.log(np.array(shares) * classes)


def test_em_is_that_of_the_paper() -> None:
    logits, _ = rows(count=60)
    assert prior_shift("em", logits) == pytest.approx(em_by_hand(softmax(logits, axis=1), 3000), abs=1e-3)


def test_em_finds_the_shares_and_names_more_rows_rightly() -> None:
    logits, truth = rows()
    shift = prior_shift("em", logits)
    assert np.exp(shift) / 3 == pytest.approx(SHARES, abs=0.03)
    assert ((logits + shift).argmax(1) == truth).mean() > (logits.argmax(1) == truth).mean() + 0.02


def test_a_word_that_is_never_true_keeps_a_finite_logit() -> None:
    logits = np.tile([9.0, 0.0], (50, 1))
    assert np.isfinite(prior_shift("em", logits)).all()


def test_debias_undoes_what_favours_a_word() -> None:
    logits, truth = rows((1 / 3, 1 / 3, 1 / 3))
    favoured = logits + np.array([2.0, 0.0, 0.0])
    shift = prior_shift("debias", favoured)
    assert shift[0] < -0.3 < shift[1]
    mean = np.exp(log_softmax(favoured, axis=1)).mean(axis=0)
    assert shift == pytest.approx([-np.log(3 * share) for share in mean])
    assert ((favoured + shift).argmax(1) == truth).mean() > (favoured.argmax(1) == truth).mean()


@pytest.mark.parametrize("method", CORRECTIONS)
def test_no_rows_change_nothing_and_numbers_like_each_other_neither(method: str) -> None:
    assert prior_shift(method, np.empty((0, 4))).tolist() == [0, 0, 0, 0]
    assert prior_shift(method, np.zeros((5, 4))) == pytest.approx(np.zeros(4))


def test_an_unknown_method_is_told() -> None:
    with pytest.raises(UsageError, match="choose one of em, debias"):
        prior_shift("bbse", np.zeros((2, 2)))
