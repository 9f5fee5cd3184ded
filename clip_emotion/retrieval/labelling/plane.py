"""The plane of valence and arousal on a page: where the faces lie, and which of them are shown as pictures."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from clip_emotion.arrays import FloatArray
from clip_emotion.retrieval.labelling.rows import is_faceless
from clip_emotion.types import Prediction

DOTS = 3000
"""Faces that are drawn as dots; of more, every so-manieth."""
PICTURES = 30
"""Faces that are shown as pictures at most."""
APART = (7.5, 10.0)
"""How far two pictures must lie apart in one of the directions, in hundredths of the plane's sides."""
LEAST_SPAN = 0.4
STEPS = (0.1, 0.2, 0.5)
"""Distances of the grid's lines; the first that gives few enough of them is taken."""
MOST_LINES = 8


@dataclass(frozen=True)
class Axis:
    """One side of the plane: the part of [-1, 1] that is shown, and its lines by place in hundredths and number."""

    low: float
    high: float
    lines: tuple[tuple[float, str], ...]
    zero: float | None

    @classmethod
    def over(cls, values: FloatArray) -> Axis:
        """Return the axis on which all values have room, and zero where it is near."""
        low, high = min(float(values.min()), 0.05), max(float(values.max()), -0.05)
        if high - low < LEAST_SPAN:
            middle = (low + high) / 2
            low, high = middle - LEAST_SPAN / 2, middle + LEAST_SPAN / 2
        margin = 0.06 * (high - low)
        low, high = max(low - margin, -1.05), min(high + margin, 1.05)
        step = next((step for step in STEPS if (high - low) / step <= MOST_LINES), STEPS[-1])
        numbers = [round(at * step, 1) for at in range(math.ceil(low / step), math.floor(high / step) + 1)]
        lines = tuple((_hundredths(number, low, high), f"{number:+.1f}" if number else "0") for number in numbers)
        return cls(low, high, lines, _hundredths(0, low, high) if low <= 0 <= high else None)

    def places(self, values: FloatArray) -> list[float]:
        """Return where values lie, in hundredths from the low end."""
        return [_hundredths(value, self.low, self.high) for value in values.tolist()]


def _hundredths(value: float, low: float, high: float) -> float:
    return round(100 * (value - low) / (high - low), 1)


@dataclass(frozen=True)
class Plane:
    """Faces on the plane: ``x`` and ``y`` of each row that has dimensions, in hundredths from left and from top.

    ``dots`` is the path of an SVG drawing with a dot for each of ``drawn`` faces, ``shown`` the rows that are pictures.
    """

    valence: Axis
    arousal: Axis
    x: dict[int, float]
    y: dict[int, float]
    dots: str
    drawn: int
    shown: tuple[int, ...]


def place_on_plane(predictions: Sequence[Prediction]) -> Plane | None:
    """Place the rows that have valence and arousal, or return None where there are none.

    Pictures in which no face was found are left out.
    """
    rows = [at for at, row in enumerate(predictions) if row.dimensions is not None and not is_faceless(row)]
    if not rows:
        return None
    # Evenly from the first to the last, so that equal sheets are equal.
    drawn = [rows[at] for at in np.linspace(0, len(rows) - 1, min(len(rows), DOTS)).round().astype(int)]
    placed = np.array([(one.valence, one.arousal) for at in rows if (one := predictions[at].dimensions)])
    valence, arousal = Axis.over(placed[:, 0]), Axis.over(placed[:, 1])
    x = dict(zip(rows, valence.places(placed[:, 0]), strict=True))
    y = {at: round(100 - place, 1) for at, place in zip(rows, arousal.places(placed[:, 1]), strict=True)}
    dots = "".join(f"M{x[at]:g} {y[at]:g}h0" for at in drawn)
    return Plane(valence, arousal, x, y, dots, len(drawn), _with_room(drawn, x, y))


def _with_room(rows: Sequence[int], x: dict[int, float], y: dict[int, float]) -> tuple[int, ...]:
    """Choose rows whose pictures do not cover each other: the outermost first, then what has room between them."""
    middle = (np.mean([x[at] for at in rows]), np.mean([y[at] for at in rows]))
    outwards = sorted(rows, key=lambda at: -math.hypot(x[at] - middle[0], y[at] - middle[1]))
    shown: list[int] = []
    for at in outwards:
        if len(shown) == PICTURES:
            break
        if all(abs(x[at] - x[one]) >= APART[0] or abs(y[at] - y[one]) >= APART[1] for one in shown):
            shown.append(at)
    return tuple(shown)
