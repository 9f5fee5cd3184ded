"""Figures of a search: trials as lines across the axes, and how much each axis mattered."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from matplotlib.figure import Figure

from clip_emotion.plotting import BLUE, GREY, figure_style
from tuning.config import SearchConfig
from tuning.journal import TrialRecord
from tuning.report import shown
from tuning.space import Axis, Choice, IntRange

TICKS = 5
COLOURS = "viridis"


def parallel_figure(config: SearchConfig, records: Sequence[TrialRecord], best: TrialRecord | None) -> Figure:
    """Draw each trial with a figure as a line across the axes to its metric; the best is drawn over the others.

    Stopped trials are dashed and end at their last figure.
    """
    scored = [record for record in records if record.value is not None]
    values = [record.value or 0.0 for record in scored]
    norm = Normalize(min(values), max(values) if max(values) > min(values) else min(values) + 1e-9)
    colours = colormaps[COLOURS if config.sign > 0 else f"{COLOURS}_r"]
    places = np.arange(len(config.space) + 1)
    with figure_style():
        figure = Figure(figsize=(max(6.0, 1.5 * len(places) + 1.5), 5.2), layout="constrained")
        axes = figure.subplots()
        for record in sorted(scored, key=lambda record: record is best):
            value = record.value or 0.0
            heights = [axis.position(record.values[key]) for key, axis in config.space.items()] + [float(norm(value))]
            style = "--" if record.status == "stopped" else "-"
            width, alpha = (3.0, 1.0) if record is best else (1.3, 0.75)
            axes.plot(places, heights, style, color=colours(float(norm(value))), linewidth=width, alpha=alpha)
        for place, (key, axis) in enumerate(config.space.items()):
            _draw_axis(axes, place, key, _ticks(axis))
        _draw_axis(axes, places[-1], config.metric, [(y, f"{norm.inverse(y):.3f}") for y in np.linspace(0, 1, TICKS)])
        axes.set(xlim=(-0.3, places[-1] + 0.6), ylim=(-0.06, 1.14), title=_title(records, best))
        axes.axis("off")
        figure.colorbar(ScalarMappable(norm, colours), ax=axes, fraction=0.03, pad=0.01, label=config.metric)
    return figure


def _title(records: Sequence[TrialRecord], best: TrialRecord | None) -> str:
    stopped = sum(record.status == "stopped" for record in records)
    title = f"{len(records)} trials" + (f", {stopped} stopped early (dashed)" if stopped else "")
    return title + (f"; the best, {int(best.name)}, is drawn thick" if best else "")


def _draw_axis(axes: Axes, place: int, name: str, ticks: Sequence[tuple[float, str]]) -> None:
    axes.plot([place, place], [0, 1], color=GREY, linewidth=1.2, zorder=0)
    # A long key is broken at its dots, so that neighbours do not run into each other.
    axes.text(place, 1.04, name.replace(".", ".\n"), ha="center", va="bottom", fontsize=9)
    box = {"boxstyle": "round,pad=0.15", "facecolor": "white", "edgecolor": "none", "alpha": 0.75}
    for height, text in ticks:
        axes.plot([place - 0.02, place + 0.02], [height, height], color=GREY, linewidth=1.2)
        axes.text(place + 0.04, height, text, ha="left", va="center", fontsize=8, bbox=box, zorder=5)


def _ticks(axis: Axis) -> list[tuple[float, str]]:
    if isinstance(axis, Choice):
        return [(axis.position(value), shown(value, 18)) for value in axis.values]
    if isinstance(axis, IntRange):
        whole = np.unique(np.linspace(axis.low, axis.high, TICKS).round().astype(int))
        return [(axis.position(int(value)), str(value)) for value in whole]
    middle = sorted({axis.low, axis.high, *_between(axis)})
    return [(axis.position(value), f"{value:.3g}") for value in middle]


def _between(axis: Axis) -> list[float]:
    """Return round numbers between a range's ends: for logarithms, evenly spread in them."""
    assert not isinstance(axis, Choice)
    lowest = axis.position(axis.low)
    grid = np.linspace(lowest, 1, TICKS)[1:-1]
    fine = np.geomspace(axis.low, axis.high, 401) if axis.low > 0 else np.linspace(axis.low, axis.high, 401)
    positions = np.array([axis.position(float(value)) for value in fine])
    return [float(f"{fine[int(np.abs(positions - at).argmin())]:.2g}") for at in grid]


def importance_figure(found: Mapping[str, float], metric: str, trials: int) -> Figure:
    """Draw how much each axis mattered for the metric, the most important on top."""
    names, shares = list(found), list(found.values())
    with figure_style():
        figure = Figure(figsize=(7.0, 1.4 + 0.42 * len(names)), layout="constrained")
        axes = figure.subplots()
        bars = axes.barh(names, shares, color=BLUE, height=0.65)
        axes.bar_label(bars, fmt=lambda share: f"{100 * share:.0f} %", padding=3, fontsize=9)
        axes.invert_yaxis()
        axes.set(xlim=(0, max(shares) * 1.15), xlabel=f"share (permutation importance, {trials} trials)")
        axes.set_title(f"What mattered for {metric}")
        axes.spines[["top", "right"]].set_visible(False)
    return figure
