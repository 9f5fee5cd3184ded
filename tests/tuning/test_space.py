"""The axes of a search: what they draw, where values lie, and which keys they may name."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from clip_emotion.dotted import flattened
from clip_emotion.errors import UsageError
from tuning.space import Axis, corners, defaults, flattened_axes, sample

AXIS: TypeAdapter[Any] = TypeAdapter(Axis)
bounds = st.tuples(st.floats(1e-6, 1e3), st.floats(1.01, 1e4)).map(lambda pair: (pair[0], pair[0] * pair[1]))


def axis(**values: Any) -> Any:
    return AXIS.validate_python(values)


@given(bounds, st.sampled_from(["uniform", "loguniform"]), st.integers(0, 2**31))
def test_drawn_numbers_lie_in_their_range(ends: tuple[float, float], kind: str, seed: int) -> None:
    made = axis(kind=kind, low=ends[0], high=ends[1])
    value = made.sample(np.random.default_rng(seed))
    assert ends[0] <= value <= ends[1]
    assert -1e-9 <= made.position(value) <= 1 + 1e-9
    assert made.position(ends[0]) == pytest.approx(0)
    assert made.position(ends[1]) == pytest.approx(1)


def test_loguniform_spreads_over_the_orders_of_magnitude() -> None:
    rng = np.random.default_rng(0)
    made = axis(kind="loguniform", low=1e-6, high=1e-2)
    drawn = np.log10([made.sample(rng) for _ in range(4000)])
    counts, _ = np.histogram(drawn, bins=[-6, -5, -4, -3, -2])
    assert counts == pytest.approx([1000] * 4, abs=110)
    assert all(len(f"{10**one:.3e}") <= 9 for one in drawn)


def test_whole_numbers_reach_both_ends_alike() -> None:
    rng = np.random.default_rng(0)
    made = axis(kind="int", low=0, high=3)
    counts = np.bincount([made.sample(rng) for _ in range(4000)])
    assert counts == pytest.approx([1000] * 4, abs=110)


def test_choices_are_of_any_kind() -> None:
    values = [None, {"depth": 2}, "balanced", [1, 2], 3]
    made = axis(kind="choice", values=values)
    drawn = [made.sample(np.random.default_rng(seed)) for seed in range(200)]
    assert all(value in drawn for value in values)
    assert [made.position(value) for value in values] == [0, 0.25, 0.5, 0.75, 1]


@pytest.mark.parametrize(
    "values",
    [
        {"kind": "uniform", "low": 1, "high": 1},
        {"kind": "loguniform", "low": 0, "high": 1},
        {"kind": "int", "low": 0.5, "high": 3},
        {"kind": "choice", "values": [1]},
        {"kind": "choice", "values": [1, 2, 1]},
        {"kind": "normal", "low": 0, "high": 1},
        {"kind": "uniform", "low": 0, "high": 1, "step": 0.1},
    ],
)
def test_axes_that_cannot_be(values: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        AXIS.validate_python(values)


def test_a_point_follows_from_its_seed() -> None:
    space = {"a": axis(kind="uniform", low=0, high=1), "b.c": axis(kind="choice", values=["x", "y"])}
    one, same, other = (sample(space, np.random.default_rng([7, number])) for number in (1, 1, 2))
    assert one == same != other
    assert list(one) == ["a", "b.c"]


def test_corners_touch_every_end_and_choice() -> None:
    space = {
        "a": axis(kind="uniform", low=0, high=1),
        "b": axis(kind="choice", values=["x", "y", "z"]),
        "c": axis(kind="int", low=2, high=9),
    }
    points = list(corners(space))
    assert len(points) == 3
    assert {point["a"] for point in points} == {0, 1}
    assert {point["b"] for point in points} == {"x", "y", "z"}
    assert {point["c"] for point in points} == {2, 9}


def test_nested_and_dotted_settings_are_the_same() -> None:
    assert flattened({"fit": {"steps": 5, "ema": None}, "fit.seed": 1}) == {
        "fit.steps": 5,
        "fit.ema": None,
        "fit.seed": 1,
    }


def test_an_override_changes_one_part_of_a_dotted_axis() -> None:
    written = {"fit.rate": {"kind": "uniform", "low": 0, "high": 1}, "sampler.kind": {"kind": "choice", "values": [1]}}
    overridden = {**written, "fit": {"rate": {"high": 2}}}
    assert flattened_axes(overridden) == {
        "fit.rate": {"kind": "uniform", "low": 0, "high": 2},
        "sampler.kind": {"kind": "choice", "values": [1]},
    }


def test_axes_must_be_in_the_base_configuration() -> None:
    base = {"fit": {"rate": 0.1}, "head": None, "name": "x"}
    space = {
        key: axis(kind="uniform", low=0, high=1) for key in ("fit.rate", "head", "fit.rat", "head.depth", "name.x")
    }
    with pytest.raises(UsageError, match=r"base.yaml has no setting fit.rat, head.depth, name.x"):
        defaults(space, base, "base.yaml")
    del space["fit.rat"], space["head.depth"], space["name.x"]
    assert defaults(space, base, "base.yaml") == {"fit.rate": 0.1, "head": None}
