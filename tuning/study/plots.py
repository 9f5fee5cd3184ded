"""The plot of a study: each row's accuracy and macro recall with their intervals."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure

from clip_emotion.plotting import BLUE, GREY, ORANGE, figure_style
from tuning.study.config import StudyConfig
from tuning.study.results import RowResult

DRAWN = {"accuracy": BLUE, "macro_recall": ORANGE}


def study_figure(config: StudyConfig, rows: Sequence[RowResult]) -> Figure:
    """Draw each row that has ended as points with 95 % intervals; the baseline's values are dashed lines."""
    ended = [row for row in rows if row.done]
    places = np.arange(len(ended))
    with figure_style():
        figure = Figure(figsize=(7.5, max(2.4, 0.5 * len(ended) + 1.6)), layout="constrained")
        axes = figure.subplots()
        for number, (rate, colour) in enumerate(DRAWN.items()):
            values = np.array([row.rates[rate].mean for row in ended])
            bounds = np.array([(row.rates[rate].low, row.rates[rate].high) for row in ended]).T
            # A percentile interval need not hold its own estimate.
            errors = np.abs(np.vstack((np.minimum(bounds[0] - values, 0), np.maximum(bounds[1] - values, 0))))
            shifted = places + (number - 0.5) * 0.24
            name = rate.replace("_", " ")
            axes.errorbar(values, shifted, xerr=errors, fmt="o", color=colour, capsize=3, markersize=5, label=name)
            for row in ended:
                if row.name == config.compared_with:
                    axes.axvline(row.rates[rate].mean, color=colour, linestyle="--", linewidth=1, alpha=0.5)
        axes.set_yticks(places, labels=[row.name for row in ended])
        images = f"{ended[0].images:,} images of validation" if ended else ""
        axes.set(ylim=(len(ended) - 0.5, -0.5), title=config.title or "", xlabel=images)
        axes.grid(axis="x", color=GREY, alpha=0.3)
        axes.spines[["top", "right"]].set_visible(False)
        figure.legend(loc="outside lower center", ncols=2, frameon=False)
    return figure
