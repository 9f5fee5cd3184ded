"""The space of a search: axes over dotted keys of a training configuration."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Annotated, Any, Literal

import numpy as np
from pydantic import Field, model_validator

from clip_emotion.config import Config
from clip_emotion.dotted import flattened, look_up
from clip_emotion.errors import UsageError

Values = dict[str, Any]
"""A point of the space: the value of each axis by its name; or settings by their dotted keys."""
DIGITS = 4
"""Drawn numbers keep so many significant digits: more would only make configurations hard to read."""


class AnyAxis(Config):
    """What all axes have in common: the settings that take the axis's value, at first the one it is named after.

    With several in ``sets`` they always have the same value, as an embedding's size on both sides.
    """

    sets: tuple[str, ...] = ()


class Range(AnyAxis):
    """What the axes between two numbers have in common."""

    low: float
    high: float

    @model_validator(mode="after")
    def _ordered(self) -> Range:
        if not self.low < self.high:
            raise ValueError(f"low ({self.low:g}) must be below high ({self.high:g})")
        return self

    def tidy(self, value: float) -> float:
        """Return the value rounded to ``DIGITS`` significant digits, within the range."""
        return min(max(float(f"{value:.{DIGITS}g}"), self.low), self.high)

    def ends(self) -> tuple[Any, ...]:
        """Return the values between which, or among which, all others lie."""
        return self.low, self.high


class Uniform(Range):
    """A number between two others, each as likely as any."""

    kind: Literal["uniform"]

    def sample(self, rng: np.random.Generator) -> float:
        """Draw a value."""
        return self.tidy(rng.uniform(self.low, self.high))

    def position(self, value: float) -> float:
        """Return where the value lies, from 0 (low) to 1 (high)."""
        return (float(value) - self.low) / (self.high - self.low)


class LogUniform(Range):
    """A positive number between two others, each order of magnitude as likely as any."""

    kind: Literal["loguniform"]
    low: float = Field(gt=0)

    def sample(self, rng: np.random.Generator) -> float:
        """Draw a value."""
        return self.tidy(math.exp(rng.uniform(math.log(self.low), math.log(self.high))))

    def position(self, value: float) -> float:
        """Return where the value's logarithm lies, from 0 (low) to 1 (high)."""
        return math.log(float(value) / self.low) / math.log(self.high / self.low)


class IntRange(Range):
    """A whole number between two others, both included."""

    kind: Literal["int"]
    low: int
    high: int

    def sample(self, rng: np.random.Generator) -> int:
        """Draw a value."""
        return int(rng.integers(self.low, self.high + 1))

    def position(self, value: float) -> float:
        """Return where the value lies, from 0 (low) to 1 (high)."""
        return (float(value) - self.low) / (self.high - self.low)


class Choice(AnyAxis):
    """One of some values, which may be of any kind, groups of settings and null among them."""

    kind: Literal["choice"]
    values: tuple[Any, ...] = Field(min_length=2)

    @model_validator(mode="after")
    def _distinct(self) -> Choice:
        if any(one == other for at, one in enumerate(self.values) for other in self.values[:at]):
            raise ValueError("a value stands twice among the choices")
        return self

    def sample(self, rng: np.random.Generator) -> Any:
        """Draw a value."""
        return self.values[int(rng.integers(len(self.values)))]

    def position(self, value: Any) -> float:
        """Return where the value stands among the choices, from 0 (first) to 1 (last)."""
        return self.values.index(value) / (len(self.values) - 1)

    def ends(self) -> tuple[Any, ...]:
        """Return the values between which, or among which, all others lie."""
        return self.values


Axis = Annotated[Uniform | LogUniform | IntRange | Choice, Field(discriminator="kind")]


def sample(space: Mapping[str, Axis], rng: np.random.Generator) -> Values:
    """Draw a point, axis by axis."""
    return {key: axis.sample(rng) for key, axis in space.items()}


def keys_of(name: str, axis: Axis) -> tuple[str, ...]:
    """Return the dotted keys of the settings that an axis sets."""
    return axis.sets or (name,)


def settings_at(space: Mapping[str, Axis], values: Mapping[str, Any]) -> Values:
    """Return the settings, by dotted key, that a point of the space stands for."""
    return {key: value for name, value in values.items() for key in keys_of(name, space[name])}


def corners(space: Mapping[str, Axis]) -> Iterator[Values]:
    """Yield few points that together touch both ends of every range and every choice."""
    ends = {key: axis.ends() for key, axis in space.items()}
    for at in range(max(map(len, ends.values()))):
        yield {key: some[at % len(some)] for key, some in ends.items()}


def flattened_axes(group: Any) -> Any:
    """Return nested axes as one mapping from dotted keys to axes; parts of one axis may stand in several places."""
    if not isinstance(group, dict):
        return group
    axes: dict[str, Any] = {}
    for path, value in flattened(group).items():
        key, _, part = path.rpartition(".")
        axes.setdefault(key or path, {})[part] = value
    return axes


def defaults(space: Mapping[str, Axis], base: Mapping[str, Any], source: str) -> Values:
    """Return the value in the base configuration of each setting that an axis sets, by its dotted key.

    Raises UsageError that names every axis whose key is not there: a search needs to know what it compares with.
    """
    found: Values = {}
    missing = []
    for key in dict.fromkeys(key for name, axis in space.items() for key in keys_of(name, axis)):
        try:
            found[key] = look_up(base, key)
        except KeyError:
            missing.append(key)
    if missing:
        raise UsageError(
            f"{source} has no setting {', '.join(missing)}: write each there with its default value, or correct the "
            "axes under 'space'."
        )
    return found
