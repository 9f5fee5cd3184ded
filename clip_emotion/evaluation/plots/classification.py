"""Plots of a classification: confusion matrix, reliability, rates per class."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from clip_emotion.evaluation.calibration import Reliability
from clip_emotion.evaluation.wording import spoken
from clip_emotion.plotting import BLUE, GREY, ORANGE, figure_style

NARROW = 4.6
"""The width of a plot for a telephone, in inches."""
MANY = 12
"""Past so many classes a confusion matrix is drawn in small print, with the cells worth reading alone."""


def confusion_figure(
    matrix: NDArray[np.integer[Any]],
    names: Sequence[str],
    title: str = "",
    language: str = "en",
    width: float | None = None,
) -> Figure:
    """Draw a confusion matrix [C, C] (rows true, columns predicted) as shares of the true class.

    Cells carry whole percents; with many classes only the cells worth reading (from 3 %) do, and classes that were
    neither true nor predicted are left out. ``width`` is in inches, as the classes ask for without it.
    """
    counts = np.asarray(matrix, dtype=np.float64)
    support = counts.sum(axis=1)
    rows, columns = _drawn_classes(counts)
    shares = np.divide(counts, support[:, None], out=np.zeros_like(counts), where=support[:, None] > 0)
    many = max(len(rows), len(columns)) > MANY
    inches = 0.30 if many else 0.65
    sides = [max(2.8, inches * len(drawn)) + 2.2 for drawn in (columns, rows)]
    size = (sides[0], 0.94 * sides[1]) if width is None or many else (width, width)
    with figure_style():
        figure = Figure(figsize=size, layout="constrained")
        axes = figure.subplots()
        shown = axes.imshow(shares[np.ix_(rows, columns)], cmap="Blues", vmin=0.0, vmax=1.0)
        if width is None or many:
            figure.colorbar(shown, ax=axes, fraction=0.04, pad=0.02, label=spoken("share of the true class", language))
        font = 7 if many else 10
        axes.set_xticks(
            range(len(columns)), labels=[names[at] for at in columns], rotation=90 if many else 40, fontsize=font + 1
        )
        if not many:
            for tick in axes.get_xticklabels():
                tick.set(horizontalalignment="right", rotation_mode="anchor")
        axes.set_yticks(
            range(len(rows)), labels=[f"{names[at]} ({int(support[at]):,})" for at in rows], fontsize=font + 1
        )
        _write_cells(axes, shares[np.ix_(rows, columns)], 0.03 if many else 0.005, font - 1 if many else font)
        axes.set(xlabel=spoken("predicted", language), ylabel=spoken("true (rows)", language), title=title)
    return figure


def _drawn_classes(counts: NDArray[np.floating[Any]]) -> tuple[Sequence[int], Sequence[int]]:
    """Return the places of the rows and columns to draw: all of a few, of many those with something in them."""
    everything = range(len(counts))
    if len(counts) <= MANY or not counts.any():
        return everything, everything
    true, predicted = counts.sum(axis=1) > 0, counts.sum(axis=0) > 0
    return [at for at in everything if true[at]], [at for at in everything if true[at] or predicted[at]]


def _write_cells(axes: Axes, shares: NDArray[np.floating[Any]], smallest: float, fontsize: int) -> None:
    for row, column in zip(*np.nonzero(shares >= smallest), strict=True):
        share = float(shares[row, column])
        colour = "white" if share > 0.55 else "#1b2733"
        axes.text(column, row, f"{100 * share:.0f}", ha="center", va="center", fontsize=fontsize, color=colour)


def reliability_figure(bins: Reliability, title: str = "", language: str = "en", width: float = 5.6) -> Figure:
    """Draw accuracy against confidence, a bar a bin, with the number of rows in each bin below."""
    with figure_style():
        figure = Figure(figsize=(width, 5.8), layout="constrained")
        upper, lower = figure.subplots(2, 1, sharex=True, height_ratios=[3, 1])
        steps = np.diff(bins.edges)
        upper.bar(bins.edges[:-1], bins.accuracy, width=steps, align="edge", color=BLUE, edgecolor="white")
        line = spoken("perfectly calibrated", language)
        upper.plot([0, 1], [0, 1], color=GREY, linestyle="--", label=line)
        dots = spoken("mean confidence of the bin", language)
        upper.plot(bins.confidence, bins.accuracy, "o", color=ORANGE, markersize=4, label=dots)
        bin_count = f"ECE {bins.ece:.3f} ({len(bins.counts)} {spoken('bins', language)})"
        upper.set(ylim=(0, 1), ylabel=spoken("accuracy", language), title="\n".join(filter(None, (title, bin_count))))
        lower.bar(bins.edges[:-1], bins.counts, width=steps, align="edge", color=GREY, edgecolor="white")
        lower.set(xlim=(0, 1), xlabel=spoken("confidence", language), ylabel=spoken("rows", language))
        # Below the axes, where it hides no bar.
        figure.legend(loc="outside lower center", ncols=2, frameon=False, fontsize=9)
    return figure


def per_class_figure(
    series: Mapping[str, Sequence[float]],
    names: Sequence[str],
    title: str = "",
    marks: Sequence[float] | None = None,
    marks_name: str = "chance",
    width: float = 7.0,
) -> Figure:
    """Draw horizontal bars per class, one bar for each series of rates in [0, 1]; ``marks`` adds a tick per class."""
    places = np.arange(len(names))
    height = 0.8 / len(series)
    colours = (BLUE, ORANGE, "#5aa469", "#8d6cab")
    inches = max(2.6, len(names) * max(0.24, 0.13 * len(series) + 0.05) + 1.2)
    with figure_style():
        figure = Figure(figsize=(width, inches), layout="constrained")
        axes = figure.subplots()
        for number, (name, values) in enumerate(series.items()):
            offset = (number - (len(series) - 1) / 2) * height
            bars = axes.barh(places + offset, values, height=height, label=name, color=colours[number % len(colours)])
            axes.bar_label(bars, fmt="%.2f", fontsize=7.5, padding=2)
        if marks is not None:
            axes.plot(marks, places, "|", color="black", markersize=11, label=marks_name)
        axes.set_yticks(places, labels=list(names))
        axes.invert_yaxis()
        axes.set(xlim=(0, 1.12), ylim=(len(names) - 0.5, -0.5), title=title)
        axes.spines[["top", "right"]].set_visible(False)
        figure.legend(loc="outside lower center", ncols=4, frameon=False)
    return figure
