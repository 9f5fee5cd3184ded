"""The labels' weights as a figure: how warm each is, and how far centring spreads the similarities."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from clip_emotion.plotting import BLUE, GREY, ORANGE, figure_style
from scoring.affection.weights import AffectionWeights

ROW_INCHES = 0.19


def weights_figure(weights: AffectionWeights, names: Sequence[str]) -> Figure:
    """Draw the weights as bars, warmest on top, and beside them the raw and centred cosines where there are any.

    ``names`` are the labels' shown names, in the order of ``weights.keys``.
    """
    order = np.argsort(-weights.values, kind="stable")
    with figure_style():
        figure = Figure(figsize=(8.6, max(2.6, ROW_INCHES * len(order) + 1.1)), layout="constrained")
        bars, cosines = figure.subplots(1, 2, sharey=True, width_ratios=[3, 2])
        _draw_weights(bars, weights, order, names)
        _draw_cosines(cosines, weights, order)
        bars.set_ylim(len(order) - 0.4, -0.6)
        figure.suptitle(weights.source, fontsize=9)
    return figure


def _draw_weights(axes: Axes, weights: AffectionWeights, order: np.ndarray, names: Sequence[str]) -> None:
    values = weights.values[order]
    drawn = axes.barh(np.arange(len(order)), values, color=[ORANGE if value > 0 else BLUE for value in values])
    axes.bar_label(drawn, fmt="%+.2f", fontsize=7, padding=2)
    axes.axvline(0, color="black", linewidth=0.8)
    shown = [f"{names[at]} *" if weights.keys[at] in weights.overridden else names[at] for at in order]
    axes.set_yticks(np.arange(len(order)), labels=shown, fontsize=8)
    note = "weight (* set by hand)" if weights.overridden else "weight"
    axes.set(xlim=(-1.25, 1.25), xlabel=note)
    axes.spines[["top", "right"]].set_visible(False)


def _draw_cosines(axes: Axes, weights: AffectionWeights, order: np.ndarray) -> None:
    places = np.arange(len(order))
    axes.axvline(0, color="black", linewidth=0.8)
    for values, name, colour in ((weights.raw, "raw", GREY), (weights.centred, "centred", ORANGE)):
        if values is not None:
            axes.plot(values[order], places, "o", markersize=4, color=colour, label=name)
    if weights.aversion is not None:
        axes.plot(weights.aversion[order], places, "x", markersize=4, color=BLUE, label="centred, to the aversion")
    axes.set(xlim=(-1.05, 1.05), xlabel="mean cosine similarity to the anchors")
    axes.tick_params(left=False)
    axes.spines[["top", "right", "left"]].set_visible(False)
    if weights.raw is not None:
        axes.legend(loc="upper center", bbox_to_anchor=(0.5, -0.06), ncols=3, frameon=False, fontsize=7)
