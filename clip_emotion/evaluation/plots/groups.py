"""A plot of groups: each one's rates with their intervals, side by side."""

from __future__ import annotations

import numpy as np
from matplotlib.figure import Figure

from clip_emotion.evaluation.groups import Grouping
from clip_emotion.evaluation.wording import spoken
from clip_emotion.plotting import BLUE, GREY, ORANGE, figure_style

DRAWN = {"accuracy": BLUE, "macro_recall": ORANGE}
"""The rates that are drawn, and their colours."""


def groups_figure(grouping: Grouping, title: str = "", language: str = "en", width: float = 7.0) -> Figure:
    """Draw each group's accuracy and macro recall as points with their 95 % intervals, a row a group."""
    groups = grouping.groups
    places = np.arange(len(groups))
    with figure_style():
        figure = Figure(figsize=(width, max(2.2, 0.55 * len(groups) + 1.4)), layout="constrained")
        axes = figure.subplots()
        for number, (rate, colour) in enumerate(DRAWN.items()):
            values = np.array([float(getattr(group.metrics, rate)) for group in groups])
            bounds = np.array([group.intervals[rate] for group in groups]).T
            # A percentile interval need not hold its own estimate.
            errors = np.abs(np.vstack((np.minimum(bounds[0] - values, 0), np.maximum(bounds[1] - values, 0))))
            name = spoken(rate.replace("_", " "), language)
            rows = places + (number - 0.5) * 0.24
            axes.errorbar(values, rows, xerr=errors, fmt="o", color=colour, capsize=3, markersize=5, label=name)
        axes.set_yticks(places, labels=[f"{group.name} ({group.metrics.n:,})" for group in groups])
        axes.invert_yaxis()
        axes.set(xlim=(0, 1.02), ylim=(len(groups) - 0.5, -0.5), title=title, ylabel=grouping.column)
        axes.grid(axis="x", color=GREY, alpha=0.3)
        axes.spines[["top", "right"]].set_visible(False)
        figure.legend(loc="outside lower center", ncols=2, frameon=False)
    return figure
