"""Several conversations side by side."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter

from scoring.output.plots.style import COLD, SOFT, WARM, WIDE, drawable, plot_style, signed_tick, spoken, widest
from scoring.result import ConversationScore


def ranking_figure(scores: Sequence[ConversationScore], width: float = WIDE, most: int = 40) -> Figure:
    """Draw at most ``most`` conversations' scores with their 95 % intervals, in order, ``width`` inches wide."""
    shown = [one for one in scores if one.conversation.score is not None][:most]
    values = np.array([one.conversation.score for one in shown], dtype=np.float64)
    bounds = np.array([one.conversation.ci95 or (one.conversation.score,) * 2 for one in shown], dtype=np.float64)
    limit = widest(np.concatenate([values, bounds.ravel()]))
    with plot_style():
        figure = Figure(figsize=(min(width, 8.5), max(1.6, 0.34 * len(shown) + 0.9)), layout="constrained")
        axes = figure.subplots()
        axes.axvspan(0, limit, color=WARM, alpha=0.05, linewidth=0)
        axes.axvspan(-limit, 0, color=COLD, alpha=0.05, linewidth=0)
        axes.axvline(0, color=SOFT, linewidth=0.8)
        for place, (value, interval) in enumerate(zip(values, bounds.reshape(-1, 2), strict=True)):
            colour = WARM if value >= 0 else COLD
            axes.plot(interval, [place, place], color=colour, linewidth=3, alpha=0.45, solid_capstyle="round")
            axes.plot([value], [place], "o", color=colour, markersize=7)
        names = [drawable(one.name, f"conversation {number}", 28) for number, one in enumerate(shown, start=1)]
        axes.set_yticks(range(len(shown)), labels=names)
        label = spoken("score with its 95 % interval", shown[0].language if shown else "en")
        axes.set(xlim=(-limit, limit), ylim=(len(shown) - 0.4, -0.6), xlabel=label)
        axes.xaxis.set_major_formatter(FuncFormatter(signed_tick))
        axes.spines[["top", "right", "left"]].set_visible(False)
        axes.tick_params(axis="y", length=0)
    return figure
