"""A plot of fusions: each head's accuracy from text alone, image alone and both, a point a seed."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure

from clip_emotion.evaluation.fusion import INPUTS, FusionRow
from clip_emotion.evaluation.wording import spoken
from clip_emotion.plotting import BLUE, GREY, ORANGE, figure_style

COLOURS = dict(zip(INPUTS, (GREY, BLUE, ORANGE), strict=True))


def fusion_figure(rows: Sequence[FusionRow], title: str = "", language: str = "en", width: float = 7.0) -> Figure:
    """Draw the accuracy of each row's seeds, a line a row and a colour for what the head read."""
    places = np.arange(len(rows))
    with figure_style():
        figure = Figure(figsize=(width, max(2.4, 0.55 * len(rows) + 1.4)), layout="constrained")
        axes = figure.subplots()
        for number, (inputs, colour) in enumerate(COLOURS.items()):
            offset = (number - 1) * 0.22
            values = [row.rates(inputs, "accuracy") for row in rows]
            heights = [place + offset for place, own in zip(places, values, strict=True) for _ in own]
            axes.plot(np.concatenate(values), heights, "o", color=colour, markersize=5, label=spoken(inputs, language))
        axes.set_yticks(places, labels=[row.name for row in rows])
        axes.invert_yaxis()
        axes.set(ylim=(len(rows) - 0.5, -0.5), title=title, xlabel=spoken("accuracy", language))
        axes.grid(axis="x", color=GREY, alpha=0.3)
        axes.spines[["top", "right"]].set_visible(False)
        figure.legend(loc="outside lower center", ncols=3, frameon=False)
    return figure
