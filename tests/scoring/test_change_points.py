from __future__ import annotations

from datetime import datetime, timedelta
from itertools import pairwise

import numpy as np
import pytest

from scoring.affection import change_points as shifts
from scoring.affection.change_points import change_points, mood_shifts, noise_variance
from scoring.config import ShiftConfig
from scoring.conversation import Turn


def turns_of(count: int, first: int = 1) -> list[Turn]:
    start = datetime(2024, 5, 1, 9, 0)
    return [Turn(first + at, "가", "말", start + timedelta(minutes=at)) for at in range(count)]


def noise(seed: int, count: int, scale: float = 0.1) -> np.ndarray:
    return np.random.default_rng(seed).normal(0, scale, count)


def cost(scores: np.ndarray, points: list[int], penalty: float) -> float:
    edges = [0, *points, len(scores)]
    segments = [scores[a:b] for a, b in pairwise(edges)]
    return sum(float(((segment - segment.mean()) ** 2).sum()) for segment in segments) + penalty * len(points)


def best_points(scores: np.ndarray, minimum: int, penalty: float) -> list[int]:
    """Optimal partitioning by plain dynamic programming."""
    best: list[tuple[float, list[int]]] = [(0.0, [])]
    for end in range(1, len(scores) + 1):
        options = [
            (best[start][0] + cost(scores[start:end], [], 0) + penalty * (start > 0), [*best[start][1], start])
            for start in range(end - minimum + 1)
            if start == 0 or best[start][0] < np.inf
        ]
        best.append(min(options, default=(np.inf, [])))
    return best[-1][1][1:]


@pytest.mark.parametrize("seed", range(8))
def test_the_change_points_are_the_optimal_ones(seed: int) -> None:
    generator = np.random.default_rng(seed)
    scores = noise(seed, 60) + np.repeat(generator.uniform(-0.4, 0.4, 6), 10)
    config = ShiftConfig(penalty=2.0, minimum=4)
    penalty = 2.0 * noise_variance(scores) * np.log(60)
    found = change_points(scores, config)
    assert cost(scores, found, penalty) == pytest.approx(cost(scores, best_points(scores, 4, penalty), penalty))
    assert np.diff([0, *found, 60]).min() >= 4


@pytest.mark.parametrize("seed", range(10))
def test_a_planted_step_is_found(seed: int) -> None:
    scores = noise(seed, 80)
    scores[50:] += 0.5
    found = change_points(scores, ShiftConfig())
    assert len(found) >= 1
    assert min(abs(point - 50) for point in found) <= 1


def test_constant_noise_rarely_has_a_shift() -> None:
    false = sum(bool(change_points(noise(seed, 200), ShiftConfig())) for seed in range(100))
    assert false <= 5


def wandering(seed: int, count: int, rho: float) -> np.ndarray:
    scores = noise(seed, count)
    for t in range(1, count):
        scores[t] += rho * scores[t - 1]
    return scores


def test_a_mood_that_wanders_rarely_has_a_shift() -> None:
    false = sum(bool(change_points(wandering(seed, 400, 0.4), ShiftConfig())) for seed in range(60))
    assert false <= 12  # without allowing for the correlation most would have one


def test_the_noise_of_correlated_turns_is_their_long_run_variance() -> None:
    # An autoregression of innovations of variance v has the long-run variance v / (1 - rho)².
    estimate = np.mean([noise_variance(wandering(seed, 4000, 0.4)) for seed in range(10)])
    assert estimate == pytest.approx(0.01 / 0.6**2, rel=0.12)


def test_the_records_say_what_changed_and_which_turns_did_it() -> None:
    scores = np.array([0.1, 0.12, 0.1, 0.09, 0.11, 0.1, -0.5, -0.6, -0.4, -0.9, -0.5, -0.55])
    (shift,) = mood_shifts(scores, turns_of(12, first=101), ShiftConfig(penalty=3.0, minimum=4))
    assert shift.index == 107
    assert shift.time == datetime(2024, 5, 1, 9, 6)
    assert shift.before == pytest.approx(scores[:6].mean())
    assert shift.after == pytest.approx(scores[6:].mean())
    assert shift.turns == (110, 108, 112)


def test_an_upward_shift_names_its_warmest_turns_and_none_that_went_down() -> None:
    scores = np.array([0.0, 0.01] * 5 + [0.8, -0.3, 0.9, -0.3])
    (shift,) = mood_shifts(scores, turns_of(14), ShiftConfig(minimum=4))
    assert shift.after > shift.before
    assert shift.turns == (13, 11)


def test_shifts_there_and_back_share_their_segment() -> None:
    scores = noise(3, 90, 0.05)
    scores[30:60] -= 0.6
    down, up = mood_shifts(scores, turns_of(90), ShiftConfig())
    assert (down.index, up.index) == (31, 61)
    assert down.after == up.before


@pytest.mark.parametrize("count", [0, 1, 2, 7])
def test_a_short_chat_has_no_shift(count: int) -> None:
    scores = np.concatenate([np.zeros(count // 2), np.ones(count - count // 2)])
    assert mood_shifts(scores, turns_of(count), ShiftConfig(minimum=4)) == ()


def test_equal_turns_have_no_shift_and_rounding_is_no_change() -> None:
    assert change_points(np.full(100, 0.3), ShiftConfig()) == []
    assert change_points(0.3 + noise(1, 100, 1e-13), ShiftConfig()) == []


def test_a_step_without_any_noise_is_found() -> None:
    scores = np.concatenate([np.zeros(20), np.full(20, 0.5)])
    assert noise_variance(scores) > 0
    assert change_points(scores, ShiftConfig()) == [20]


def test_a_step_does_not_inflate_the_noise() -> None:
    calm = noise(2, 2000)
    stepped = calm + np.repeat([0.0, 2.0, -1.0, 0.5], 500)
    assert noise_variance(calm) == pytest.approx(0.01, rel=0.1)
    assert noise_variance(stepped) == pytest.approx(noise_variance(calm), rel=0.02)
    assert np.var(stepped) > 0.5


def test_a_long_chat_is_searched_in_groups_and_placed_to_the_turn(monkeypatch: pytest.MonkeyPatch) -> None:
    scores = noise(4, 600, 0.05)
    scores[211:433] += 0.4
    whole = change_points(scores, ShiftConfig())
    monkeypatch.setattr(shifts, "MOST_POINTS", 130)  # groups of five
    assert change_points(scores, ShiftConfig()) == whole
    assert all(abs(point - at) <= 1 for point, at in zip(whole, (211, 433), strict=True))


def test_groups_leave_the_minimum_between_shifts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shifts, "MOST_POINTS", 100)
    generator = np.random.default_rng(5)
    scores = noise(5, 1003, 0.05) + np.repeat(generator.uniform(-1, 1, 118), 9)[:1003]
    points = change_points(scores, ShiftConfig(minimum=7))
    assert len(points) > 5
    assert np.diff([0, *points, 1003]).min() >= 7
