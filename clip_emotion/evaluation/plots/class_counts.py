"""The bar chart of a data set's class counts."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from matplotlib.figure import Figure

from clip_emotion.plotting import figure_style


def class_counts_figure(counts: Mapping[str, Mapping[str, int]]) -> Figure:
    """Draw, side by side, one panel of horizontal bars per split: rows per label, with Hangul rendered."""
    labels = list(dict.fromkeys(label for split in counts.values() for label in split))
    places = np.arange(len(labels))
    with figure_style():
        size = (2.0 + 3.6 * len(counts), max(2.4, 0.28 * len(labels) + 1.0))
        figure = Figure(figsize=size, layout="constrained")
        panels = figure.subplots(1, len(counts), sharey=True, squeeze=False)[0]
        for panel, (split, numbers) in zip(panels, counts.items(), strict=True):
            values = [numbers.get(label, 0) for label in labels]
            bars = panel.barh(places, values, color="#2f6db3")
            panel.bar_label(bars, labels=[f"{value:,}" for value in values], fontsize=7, padding=2)
            panel.set(
                title=f"{split}: {sum(values):,}", ylim=(len(labels) - 0.5, -0.5), xlim=(0, 1.18 * max([*values, 1]))
            )
            panel.spines[["top", "right"]].set_visible(False)
        panels[0].set_yticks(places, labels=labels)
    return figure
