"""Plots of a classification: confusion matrix, reliability, rates per class."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from clip_emotion.evaluation.calibration import Reliability
from clip_emotion.plotting import BLUE, GREY, ORANGE, figure_style


def confusion_figure(matrix: NDArray[np.integer[Any]], names: Sequence[str], title: str = "") -> Figure:
    """Draw a confusion matrix [C, C] (rows true, columns predicted) as shares of the true class.

    Cells carry whole percents; with many classes only the cells worth reading (from 3 %) do.
    """
    counts = np.asarray(matrix, dtype=np.float64)
    support = counts.sum(axis=1)
    shares = np.divide(counts, support[:, None], out=np.zeros_like(counts), where=support[:, None] > 0)
    size = len(names)
    many = size > 12
    with figure_style():
        side = max(5.0, 0.30 * size + 2.2) if many else max(5.0, 0.65 * size + 2.2)
        figure = Figure(figsize=(side, side * 0.94), layout="constrained")
        axes = figure.subplots()
        shown = axes.imshow(shares, cmap="Blues", vmin=0.0, vmax=1.0)
        figure.colorbar(shown, ax=axes, fraction=0.04, pad=0.02, label="share of the true class")
        font = 7 if many else 10
        axes.set_xticks(range(size), labels=list(names), rotation=90 if many else 40, fontsize=font + 1)
        if not many:
            for tick in axes.get_xticklabels():
                tick.set(horizontalalignment="right", rotation_mode="anchor")
        rows = [f"{name} ({int(count):,})" for name, count in zip(names, support, strict=True)]
        axes.set_yticks(range(size), labels=rows, fontsize=font + 1)
        _write_cells(axes, shares, smallest=0.03 if many else 0.005, fontsize=font - 1 if many else font)
        axes.set_xlabel("predicted")
        axes.set_ylabel("true (rows)")
        axes.set_title(title)
    return figure


def _write_cells(axes: Axes, shares: NDArray[np.floating[Any]], *, smallest: float, fontsize: int) -> None:
    for row, column in zip(*np.nonzero(shares >= smallest), strict=True):
        share = float(shares[row, column])
        colour = "white" if share > 0.55 else "#1b2733"
        axes.text(column, row, f"{100 * share:.0f}", ha="center", va="center", fontsize=fontsize, color=colour)


def reliability_figure(bins: Reliability, title: str = "") -> Figure:
    """Draw accuracy against confidence, a bar a bin, with the number of rows in each bin below."""
    with figure_style():
        figure = Figure(figsize=(5.6, 5.6), layout="constrained")
        upper, lower = figure.subplots(2, 1, sharex=True, height_ratios=[3, 1])
        width = np.diff(bins.edges)
        upper.bar(bins.edges[:-1], bins.accuracy, width=width, align="edge", color=BLUE, edgecolor="white")
        upper.plot([0, 1], [0, 1], color=GREY, linestyle="--", label="perfectly calibrated")
        upper.plot(bins.confidence, bins.accuracy, "o", color=ORANGE, markersize=4, label="mean confidence of the bin")
        upper.set(ylim=(0, 1), ylabel="accuracy", title=title)
        upper.legend(loc="upper left", title=f"ECE {bins.ece:.3f} ({len(bins.counts)} bins)")
        lower.bar(bins.edges[:-1], bins.counts, width=width, align="edge", color=GREY, edgecolor="white")
        lower.set(xlim=(0, 1), xlabel="confidence", ylabel="rows")
    return figure


def per_class_figure(
    series: Mapping[str, Sequence[float]],
    names: Sequence[str],
    title: str = "",
    marks: Sequence[float] | None = None,
    marks_name: str = "chance",
) -> Figure:
    """Draw horizontal bars per class, one bar for each series of rates in [0, 1]; ``marks`` adds a tick per class."""
    places = np.arange(len(names))
    height = 0.8 / len(series)
    colours = (BLUE, ORANGE, "#5aa469", "#8d6cab")
    inches = max(2.6, len(names) * max(0.24, 0.11 * len(series) + 0.05) + 1.2)
    with figure_style():
        figure = Figure(figsize=(7.0, inches), layout="constrained")
        axes = figure.subplots()
        for number, (name, values) in enumerate(series.items()):
            offset = (number - (len(series) - 1) / 2) * height
            bars = axes.barh(places + offset, values, height=height, label=name, color=colours[number % len(colours)])
            axes.bar_label(bars, fmt="%.2f", fontsize=6, padding=2)
        if marks is not None:
            axes.plot(marks, places, "|", color="black", markersize=11, label=marks_name)
        axes.set_yticks(places, labels=list(names))
        axes.invert_yaxis()
        axes.set(xlim=(0, 1.08), ylim=(len(names) - 0.5, -0.5), title=title)
        axes.spines[["top", "right"]].set_visible(False)
        figure.legend(loc="outside lower center", ncols=4, frameon=False)
    return figure
