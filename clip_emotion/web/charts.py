"""Charts as plain rectangles on a plane that stretches; a page draws them, with words and ticks as text beside them."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

STEP, BAR, HEIGHT = 10, 8, 100
"""Width of a column's place, of its bar, and the height of the plane."""
NICE = (1, 2, 5, 10)


@dataclass(frozen=True)
class Chart:
    """Bars on a plane of ``width`` × 100, a path a name; ``ticks`` are the numbers of the left axis, top down."""

    width: int
    paths: Mapping[str, str]
    ticks: tuple[str, ...]


def stacked(columns: Sequence[Mapping[str, float]], order: Sequence[str], *, top: float | None = None) -> Chart:
    """Return columns of stacked bars, the first name of ``order`` at the bottom; ``top`` is what fills the height."""
    full = top or nice(max((sum(column.values()) for column in columns), default=0))
    paths: dict[str, list[str]] = {name: [] for name in order}
    for place, column in enumerate(columns):
        below = 0.0
        for name in order:
            height = HEIGHT * column.get(name, 0) / full
            if height > 0:
                left = place * STEP + (STEP - BAR) // 2
                paths[name].append(f"M{left} {HEIGHT - below:.1f}v{-height:.1f}h{BAR}v{height:.1f}z")
                below += height
    ticks = ("100%", "50%", "0%") if top else (f"{full:g}", f"{full / 2:g}" if full > 1 else "", "0")
    return Chart(max(1, len(columns)) * STEP, {name: "".join(path) for name, path in paths.items() if path}, ticks)


def nice(value: float) -> float:
    """Return the next round number, which an axis ends with; at least 1."""
    if value <= 1:
        return 1
    scale = 10.0 ** math.floor(math.log10(value))
    return float(next(scale * step for step in NICE if scale * step >= value))


def marks(names: Sequence[str], most: int = 3) -> list[str]:
    """Return some of the columns' names for the axis below: the first, the last, and those in the middle."""
    if len(names) <= most:
        return [*names]
    return [names[round(at * (len(names) - 1) / (most - 1))] for at in range(most)]
