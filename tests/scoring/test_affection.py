from __future__ import annotations

import sys
import tracemalloc
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clip_emotion.errors import UsageError
from scoring.affection import bootstrap, equations
from scoring.affection import recency as recency_of
from scoring.affection.recency import RunningScore
from scoring.config import RECENCY_KINDS, BootstrapConfig, RecencyConfig

RECENCIES = [
    RecencyConfig(kind="linear"),
    RecencyConfig(kind="uniform"),
    RecencyConfig(kind="exponential", half_life=3.0),
    RecencyConfig(kind="exponential", half_life=7.5, unit="minutes"),
    RecencyConfig(kind="peak-end"),
]
IDS = ["linear", "uniform", "turns", "minutes", "peak-end"]
every_recency = pytest.mark.parametrize("recency", RECENCIES, ids=IDS)
score_lists = st.lists(st.floats(-1, 1, allow_subnormal=False), min_size=1, max_size=40)


# The reference: loops straight from the definitions, on Python lists.


def reference_turn_score(row: list[float], weights: list[float]) -> float:
    return sum(p * w for p, w in zip(row, weights, strict=True))


def reference_raw(scores: list[float]) -> float:
    return sum(t / len(scores) * s for t, s in enumerate(scores, start=1))


def reference_recency(t: int, scores: list[float], recency: RecencyConfig, minutes: list[float]) -> float:
    last = len(scores)
    if recency.kind == "linear":
        return t / last
    if recency.kind == "uniform":
        return 1.0
    if recency.unit == "turns":
        return 2 ** (-(last - t) / recency.half_life)
    return 2 ** (-(max(minutes[:last]) - max(minutes[:t])) / recency.half_life)


def reference_normalised(scores: list[float], recency: RecencyConfig, minutes: list[float]) -> float:
    if recency.kind == "peak-end":
        peak = scores[0]
        for score in scores:
            if abs(score) >= abs(peak):
                peak = score
        return (peak + scores[-1]) / 2
    weights = [reference_recency(t, scores, recency, minutes) for t in range(1, len(scores) + 1)]
    return sum(r * s for r, s in zip(weights, scores, strict=True)) / sum(weights)


def clock_of(scores: list[float], jitter: int = 5) -> list[float]:
    """Return minutes that mostly go on and sometimes go back."""
    steps = np.random.default_rng(len(scores) + jitter).integers(-jitter, 3 * jitter, size=len(scores))
    return [float(minute) for minute in np.cumsum(steps)]


@settings(deadline=None, max_examples=60)
@given(st.integers(1, 12), st.integers(1, 9), st.integers(0, 2**32 - 1))
def test_turn_scores_and_contributions_follow_the_definition(count: int, labels: int, seed: int) -> None:
    generator = np.random.default_rng(seed)
    p, w = generator.dirichlet(np.ones(labels), size=count), generator.uniform(-1, 1, labels)
    expected = [reference_turn_score(row, w.tolist()) for row in p.tolist()]
    np.testing.assert_allclose(equations.turn_scores(p, w), expected, atol=1e-12)
    np.testing.assert_allclose(equations.contributions(p, w).sum(axis=1), expected, atol=1e-12)
    assert np.all(np.abs(expected) <= 1 + 1e-12)


def test_a_turn_of_which_nothing_is_known_has_no_score() -> None:
    p = np.array([[0.25, 0.75], [np.nan, np.nan]])
    scores = equations.turn_scores(p, np.array([1.0, -1.0]))
    assert scores[0] == -0.5
    assert np.isnan(scores[1])


@every_recency
@settings(deadline=None, max_examples=60)
@given(scores=score_lists)
def test_whole_and_running_scores_follow_the_definition(recency: RecencyConfig, scores: list[float]) -> None:
    s, minutes = np.array(scores), clock_of(scores)
    expected = [reference_normalised(scores[:t], recency, minutes) for t in range(1, len(scores) + 1)]
    assert recency_of.normalised_score(s, recency, np.array(minutes)) == pytest.approx(expected[-1], abs=1e-12)
    np.testing.assert_allclose(recency_of.running_scores(s, recency, np.array(minutes)), expected, atol=1e-9)
    assert equations.raw_score(s) == pytest.approx(reference_raw(scores), abs=1e-12)


@every_recency
@settings(deadline=None, max_examples=40)
@given(scores=score_lists)
def test_live_scores_follow_the_definition(recency: RecencyConfig, scores: list[float]) -> None:
    minutes, live = clock_of(scores), RunningScore(recency)
    for t, score in enumerate(scores, start=1):
        so_far = live.update(score, minutes[t - 1], shares=[score / 4, score * 3 / 4])
        assert so_far == pytest.approx(reference_normalised(scores[:t], recency, minutes), abs=1e-9)
        assert live.shares.sum() == pytest.approx(so_far, abs=1e-9)
        assert live.raw() == pytest.approx(reference_raw(scores[:t]), abs=1e-9)


def test_the_four_recencies_of_a_chat_worked_out_by_hand() -> None:
    s = np.array([0.8, -0.2, 0.4])
    assert equations.raw_score(s) == pytest.approx(0.8 / 3 - 0.4 / 3 + 0.4)
    hand = {
        "linear": (0.8 - 0.4 + 1.2) / 6,
        "uniform": 1 / 3,
        "exponential": (0.8 / 4 - 0.2 / 2 + 0.4) / (1 / 4 + 1 / 2 + 1),
        "peak-end": 0.6,
    }
    for kind, expected in hand.items():
        recency = RecencyConfig(kind=kind, half_life=1.0)  # type: ignore[arg-type]
        assert recency_of.normalised_score(s, recency) == pytest.approx(expected), kind


def test_the_latest_of_equally_intense_turns_is_the_peak() -> None:
    recency = RecencyConfig(kind="peak-end")
    assert recency_of.normalised_score(np.array([0.9, -0.9, 0.1]), recency) == pytest.approx(-0.4)
    assert recency_of.normalised_score(np.array([-0.9, 0.9, 0.1]), recency) == pytest.approx(0.5)


@every_recency
@settings(deadline=None, max_examples=40)
@given(scores=score_lists, factor=st.floats(-1, 1))
def test_scaling_the_weights_scales_the_score(recency: RecencyConfig, scores: list[float], factor: float) -> None:
    s, minutes = np.array(scores), np.array(clock_of(scores))
    if np.abs(s * factor).max() < 1e-9:  # rounding to 0 would change which turn is the peak
        return
    scaled = recency_of.normalised_score(s * factor, recency, minutes)
    assert scaled == pytest.approx(factor * recency_of.normalised_score(s, recency, minutes), abs=1e-9)
    assert equations.raw_score(s * factor) == pytest.approx(factor * equations.raw_score(s), abs=1e-9)


@every_recency
@settings(deadline=None, max_examples=40)
@given(scores=score_lists)
def test_a_normalised_score_lies_among_its_turns(recency: RecencyConfig, scores: list[float]) -> None:
    score = recency_of.normalised_score(np.array(scores), recency, np.array(clock_of(scores)))
    assert min(scores) - 1e-12 <= score <= max(scores) + 1e-12


def test_the_order_of_labels_does_not_matter() -> None:
    generator = np.random.default_rng(3)
    p, w, order = generator.dirichlet(np.ones(7), size=20), generator.uniform(-1, 1, 7), generator.permutation(7)
    np.testing.assert_allclose(
        equations.turn_scores(p[:, order], w[order]), equations.turn_scores(p, w), rtol=0, atol=1e-12
    )


@every_recency
def test_parts_keep_the_places_of_the_whole(recency: RecencyConfig) -> None:
    generator = np.random.default_rng(4)
    s = generator.uniform(-1, 1, 30)
    minutes, part = np.arange(30.0) ** 1.5, np.array([0, 3, 4, 17])
    whole = recency_of.recency_weights(30, recency, minutes, s)
    own = recency_of.recency_weights(30, recency, minutes, s, part)
    if recency.kind == "peak-end":
        peak = max(s[part], key=abs)
        assert own @ s[part] == pytest.approx((peak + s[17]) / 2)
    else:
        np.testing.assert_allclose(own / own.sum(), whole[part] / whole[part].sum(), rtol=1e-9)
        expected = equations.weighted_mean(s[part], own)
        assert recency_of.normalised_score(s, recency, minutes, part) == pytest.approx(expected)
    rest = np.setdiff1d(np.arange(30), part)
    assert equations.raw_score(s, part) + equations.raw_score(s, rest) == pytest.approx(equations.raw_score(s))


def test_a_speaker_who_left_thousands_of_half_lives_ago_still_has_a_score() -> None:
    recency, s = RecencyConfig(kind="exponential", half_life=0.5), np.full(5000, -1.0)
    s[:2] = 0.25
    assert recency_of.normalised_score(s, recency, part=np.array([0, 1])) == pytest.approx(0.25)
    assert recency_of.normalised_score(s, recency) == pytest.approx(-1.0)


@pytest.mark.parametrize("half_life", [1e-300, 1e-9, 1e12])
def test_extreme_half_lives_give_a_score_and_no_warning(half_life: float) -> None:
    recency = RecencyConfig(kind="exponential", half_life=half_life, unit="minutes")
    s, minutes = np.array([1.0, -1.0, 0.5]), np.array([2.8e7, 2.9e7, 3.0e7])
    expected = 0.5 if half_life < 1 else pytest.approx(s.mean(), abs=1e-4)
    live = RunningScore(recency)
    with np.errstate(all="raise", under="ignore"):
        assert recency_of.normalised_score(s, recency, minutes) == expected
        assert recency_of.running_scores(s, recency, minutes)[-1] == expected
    assert [live.update(*pair) for pair in zip(s, minutes, strict=True)][-1] == expected


def test_minutes_before_the_epoch_and_clocks_that_go_back() -> None:
    recency = RecencyConfig(kind="exponential", half_life=2.0, unit="minutes")
    s = np.array([1.0, 0.0, -1.0])
    assert recency_of.running_scores(s, recency, np.array([-9e6, -9e6, -9e6])).tolist() == [1.0, 0.5, 0.0]
    # The second turn's clock is behind: it counts as sent with the first, and weighs as much.
    back = recency_of.recency_weights(3, recency, np.array([10.0, 3.0, 12.0]))
    assert back.tolist() == [0.5, 0.5, 1.0]


def test_minutes_without_times_say_what_to_do() -> None:
    recency, s = RecencyConfig(kind="exponential", unit="minutes"), np.zeros(3)
    for minutes in (None, np.array([1.0, np.nan, 2.0])):
        with pytest.raises(UsageError, match="--half-life in turns"):
            recency_of.normalised_score(s, recency, minutes)
    live = RunningScore(recency)
    live.update(0.5, 1.0)
    for minute in (None, float("nan")):
        with pytest.raises(UsageError, match="--half-life in turns"):
            live.update(-0.5, minute)
    assert (live.count, live.score) == (1, 0.5)


def test_scores_that_are_not_numbers_are_refused() -> None:
    s, linear = np.array([0.1, np.nan]), RecencyConfig()
    calls: list[Callable[[], object]] = [
        lambda: equations.raw_score(s),
        lambda: recency_of.normalised_score(s, linear),
        lambda: recency_of.running_scores(s, linear),
        lambda: bootstrap.mean_interval(s, np.ones(2), BootstrapConfig()),
        lambda: RunningScore(linear).update(float("nan")),
    ]
    for call in calls:
        with pytest.raises(UsageError, match="not a number"):
            call()
    with pytest.raises(UsageError, match="peak-end"):
        recency_of.recency_weights(3, RecencyConfig(kind="peak-end"))


@every_recency
def test_no_turns_and_one_turn(recency: RecencyConfig) -> None:
    none, one = np.zeros(0), np.array([0.3])
    assert np.isnan(recency_of.normalised_score(none, recency, none))
    assert recency_of.running_scores(none, recency, none).shape == (0,)
    assert equations.raw_score(none) == 0.0
    assert recency_of.normalised_score(one, recency, one) == equations.raw_score(one) == pytest.approx(0.3)
    assert bootstrap.score_interval(one, np.ones(1), recency, BootstrapConfig()) is None
    live = RunningScore(recency)
    assert np.isnan(live.score)
    assert live.raw() == 0.0


@every_recency
def test_a_hundred_thousand_live_turns_stay_exact_and_small(recency: RecencyConfig) -> None:
    count = 100_000
    s = np.random.default_rng(5).uniform(-1, 1, count)
    minutes = np.cumsum(np.random.default_rng(6).exponential(2.0, count)) + 2.8e7
    live, at = RunningScore(recency), []
    for t, (score, minute) in enumerate(zip(s.tolist(), minutes.tolist(), strict=True)):
        live.update(score, minute)
        if t in (10, count - 1):
            at.append(sum(sys.getsizeof(getattr(live, name)) for name in RunningScore.__slots__ if name != "_recency"))
    assert live.score == pytest.approx(recency_of.normalised_score(s, recency, minutes), abs=1e-9)
    assert live.score == pytest.approx(recency_of.running_scores(s, recency, minutes)[-1], abs=1e-9)
    assert live.raw() == pytest.approx(equations.raw_score(s), rel=1e-9, abs=1e-6)
    assert abs(at[1] - at[0]) <= 16  # an int may take some bytes more; a list of turns would take a megabyte


def test_live_memory_does_not_grow() -> None:
    live, shares = RunningScore(RecencyConfig(kind="exponential")), np.full(44, 0.01)
    live.update(0.44, shares=shares)
    tracemalloc.start()
    try:
        for _ in range(200):
            live.update(0.44, shares=shares)
        early = tracemalloc.get_traced_memory()[0]
        for _ in range(2000):
            live.update(0.44, shares=shares)
        grown = tracemalloc.get_traced_memory()[0] - early
    finally:
        tracemalloc.stop()
    assert grown < 2000  # less than a byte a turn


# Intervals


def reference_bootstrap(s: np.ndarray, r: np.ndarray, config: BootstrapConfig) -> tuple[float, float]:
    """Redraw index by index; other random numbers than the project's, so only the distribution is the same."""
    generator, count = np.random.default_rng(config.seed + 1000), len(s)
    length = max(1, round((r.sum() ** 2 / (r @ r)) ** (1 / 3)))
    scores = []
    for _ in range(config.resamples):
        indices: list[int] = []
        while len(indices) < count:
            start = int(generator.integers(count))
            indices += [(start + step) % count for step in range(length)]
        drawn = np.array(indices[:count])
        scores.append(r[drawn] @ s[drawn] / r[drawn].sum())
    low, high = np.quantile(scores, [0.025, 0.975])
    return float(low), float(high)


@pytest.mark.parametrize("kind", ["linear", "uniform", "exponential"])
def test_the_interval_is_that_of_redrawing_turn_by_turn(kind: str) -> None:
    s = np.random.default_rng(7).uniform(-1, 1, 83)
    r = recency_of.recency_weights(83, RecencyConfig(kind=kind, half_life=20.0))  # type: ignore[arg-type]
    config = BootstrapConfig(resamples=4000)
    assert bootstrap.mean_interval(s, r, config) == pytest.approx(reference_bootstrap(s, r, config), abs=0.02)


def autoregressive(generator: np.random.Generator, count: int, rho: float = 0.4) -> np.ndarray:
    noise = generator.normal(0, 1, count + 50)
    for t in range(1, count + 50):
        noise[t] += rho * noise[t - 1]
    return 0.1 + 0.2 * noise[50:]


@pytest.mark.parametrize(("kind", "at_least"), [("uniform", 0.85), ("linear", 0.84), ("exponential", 0.78)])
def test_the_interval_covers_the_mean_of_dependent_turns(kind: str, at_least: float) -> None:
    generator, trials, covered = np.random.default_rng(8), 200, 0
    r = recency_of.recency_weights(200, RecencyConfig(kind=kind, half_life=20.0))  # type: ignore[arg-type]
    for _ in range(trials):
        interval = bootstrap.mean_interval(autoregressive(generator, 200), r, BootstrapConfig(resamples=300))
        assert interval is not None
        covered += interval[0] <= 0.1 <= interval[1]
    assert at_least <= covered / trials <= 0.99


def test_blocks_widen_the_interval_of_dependent_turns() -> None:
    s, r = autoregressive(np.random.default_rng(9), 2000, rho=0.8), np.ones(2000)
    dependent = bootstrap.mean_interval(s, r, BootstrapConfig())
    shuffled = bootstrap.mean_interval(np.random.default_rng(10).permutation(s), r, BootstrapConfig())
    assert dependent is not None
    assert shuffled is not None
    assert dependent[1] - dependent[0] > 1.5 * (shuffled[1] - shuffled[0])


@every_recency
def test_intervals_are_seeded_ordered_and_around_the_score(recency: RecencyConfig) -> None:
    s = np.random.default_rng(11).uniform(-0.5, 0.7, 120)
    minutes = np.arange(120.0)
    r = recency_of.recency_weights(120, recency, minutes, s)
    interval = bootstrap.score_interval(s, r, recency, BootstrapConfig())
    assert interval == bootstrap.score_interval(s, r, recency, BootstrapConfig())
    assert interval is not None
    assert s.min() <= interval[0] <= equations.weighted_mean(s, r) <= interval[1] <= s.max()
    two = bootstrap.score_interval(s[:2], r[:2] + 0.1, recency, BootstrapConfig())
    assert (two is None) == (recency.kind == "peak-end")  # the one turn before the end can only be redrawn as itself


def test_a_short_half_life_in_a_long_chat_has_a_finite_interval() -> None:
    recency = RecencyConfig(kind="exponential", half_life=2.0)
    s = np.concatenate([np.full(9000, -1.0), np.random.default_rng(12).uniform(0.2, 0.6, 1000)])
    interval = bootstrap.mean_interval(s, recency_of.recency_weights(10_000, recency), BootstrapConfig())
    assert interval is not None
    assert 0.2 <= interval[0] < interval[1] <= 0.6


def test_the_peak_end_interval_shows_how_much_hangs_on_one_peak() -> None:
    calm = np.full(60, 0.1)
    peaked = calm.copy()
    peaked[20] = 0.9
    many = calm.copy()
    many[::6] = 0.9
    many[-1] = 0.1
    config = BootstrapConfig()
    assert bootstrap.peak_end_interval(calm, config) == pytest.approx((0.1, 0.1))
    assert bootstrap.peak_end_interval(peaked, config) == pytest.approx((0.1, 0.5))
    assert bootstrap.peak_end_interval(many, config) == pytest.approx((0.5, 0.5))
    recency = RecencyConfig(kind="peak-end")
    for scores, is_point in ((calm, True), (peaked, False), (many, True)):
        weights = recency_of.recency_weights(60, recency, scores=scores)
        assert (bootstrap.score_interval(scores, weights, recency, config) is None) == is_point


def test_every_kind_is_tested() -> None:
    assert {recency.kind for recency in RECENCIES} == set(RECENCY_KINDS)
