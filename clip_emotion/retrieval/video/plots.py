"""A face's words over time as a stacked plot."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, MaxNLocator

from clip_emotion.data.video_sampling import clock
from clip_emotion.html import data_uri
from clip_emotion.plotting import figure_png, figure_style
from clip_emotion.retrieval.video.timeline import TrackLine

COLOURS = ("#0072b2", "#d55e00", "#009e73", "#e69f00", "#cc79a7", "#56b4e9", "#8a6a00", "#7f4fc9")
OTHERS = "#d3d7db"
SIZES = {"": (11.0, 2.6), "-narrow": (5.2, 2.6)}
"""Sides in inches of a plot for wide and for narrow screens."""


@dataclass(frozen=True)
class Shown:
    """What a plot shows: all words' keys, those that are stacked from the ground up, and their colours and names.

    What is left to 1 is grey; the axis of time ends at ``end`` seconds, the whole video's.
    """

    words: Sequence[str]
    stacked: Sequence[str]
    colours: Mapping[str, str]
    names: Mapping[str, str]
    end: float


def track_plots(line: TrackLine, shown: Shown) -> dict[str, str]:
    """Return a track's plot for wide and narrow screens, as URIs by ``plot`` and ``plot-narrow``."""
    return {f"plot{suffix}": data_uri(_png(line, shown, size)) for suffix, size in SIZES.items()}


def _png(line: TrackLine, shown: Shown, size: tuple[float, float]) -> bytes:
    times, probabilities = line.curve()
    shares = probabilities[:, [shown.words.index(word) for word in shown.stacked]]
    wide = size[0] > 6
    with figure_style():
        figure = Figure(figsize=size, layout="constrained")
        axes = figure.add_subplot()
        rest = np.clip(1 - shares.sum(axis=1, keepdims=True), 0, 1)
        stacked = np.concatenate((shares, rest), axis=1).T
        tints = [*(shown.colours[word] for word in shown.stacked), OTHERS]
        # Where all words are stacked, nothing is left over that would have to be named.
        left = "…" if len(shown.stacked) < len(shown.words) else "_nolegend_"
        labels = [*(shown.names[word] for word in shown.stacked), left]
        if len(times) == 1:
            times, stacked = np.array([times[0], times[0] + 0.1]), np.repeat(stacked, 2, axis=1)
        axes.stackplot(times, stacked, colors=tints, labels=labels, linewidth=0)
        axes.set(ylim=(0, 1), xlim=(0, max(shown.end, times[-1])))
        axes.xaxis.set_major_locator(MaxNLocator(8 if wide else 4))
        axes.xaxis.set_major_formatter(FuncFormatter(_clocks(axes.get_xticks().tolist())))
        axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:.0%}"))
        for side in ("top", "right"):
            axes.spines[side].set_visible(False)
        handles, texts = axes.get_legend_handles_labels()
        columns = {"loc": "outside right upper"} if wide else {"loc": "outside lower center", "ncols": 3}
        figure.legend(handles[::-1], texts[::-1], frameon=False, fontsize=9, **columns)
        return figure_png(figure)


def _clocks(ticks: Sequence[float]) -> Callable[[float, int], str]:
    """Return what writes the times of an axis, with as many decimals as keep two neighbours apart."""
    step = min((after - before for before, after in pairwise(map(float, ticks))), default=1.0)
    digits = next((number for number in (0, 1) if abs(step - round(step, number)) < 1e-6), 2)
    return lambda value, _: clock(value, digits)
