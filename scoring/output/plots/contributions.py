"""What makes a score: each label's share of it."""

from __future__ import annotations

from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, MaxNLocator

from scoring.output.plots.style import (
    COLD,
    INK,
    REST,
    SOFT,
    WARM,
    WIDE,
    drawable,
    main_speakers,
    plot_style,
    signed_tick,
    spoken,
)
from scoring.output.wording import signed
from scoring.result import ConversationScore, Summary

BARS = 8
"""Labels drawn on each side, warm and cold."""
NARROW_BARS = 5


def contributions_figure(score: ConversationScore, width: float = WIDE) -> Figure:
    """Draw each label's share of the score as a bar, the conversation and its main speakers side by side.

    The labels are those with the largest shares on either side, ordered from the warmest down; shares of a panel add
    up to its score when the labels left out are counted in. ``width`` is in inches; on a narrow plot the panels stand
    one below the other, with fewer labels.
    """
    is_wide = width >= WIDE
    most = BARS if is_wide else NARROW_BARS
    whole = score.conversation.contributions
    order = sorted((label for label in whole if whole[label]), key=lambda label: -whole[label])
    warm = [label for label in order if whole[label] > 0][:most]
    cold = [label for label in order if whole[label] < 0][-most:]
    shown = warm + cold
    panels: dict[str, Summary] = {"whole": score.conversation}
    names = [spoken("whole", score.language)]
    for number, name in enumerate(main_speakers(score), start=1):
        panels[f"speaker {number}"] = score.speakers[name]
        names.append(drawable(name, f"speaker {number}"))
    with plot_style():
        height = max(2.4, 0.27 * len(shown) + 1.1)
        figure = Figure(figsize=(width, height if is_wide else height * len(panels)), layout="constrained")
        grid = (1, len(panels)) if is_wide else (len(panels), 1)
        rows = figure.subplots(*grid, sharex=True, sharey=True, squeeze=False).flat
        for axes, name, summary in zip(rows, names, panels.values(), strict=True):
            values = [summary.contributions.get(label, 0.0) for label in shown]
            axes.barh(range(len(shown)), values, color=[WARM if value >= 0 else COLD for value in values], height=0.7)
            axes.axvline(0, color=SOFT, linewidth=0.8)
            if cold and warm:
                axes.axhline(len(warm) - 0.5, color=REST, linewidth=0.8, linestyle=":")
            axes.set_title(f"{name}  {signed(summary.score)}", fontsize=10, color=INK)
            axes.xaxis.set_major_locator(MaxNLocator(4))
            axes.xaxis.set_major_formatter(FuncFormatter(signed_tick))
            axes.tick_params(axis="x", labelsize=8)
            axes.tick_params(axis="y", length=0)
            axes.spines[["top", "right", "left"]].set_visible(False)
        first = rows[0]
        first.set_yticks(range(len(shown)), labels=[drawable(score.labels.get(label, label), label) for label in shown])
        first.set_ylim(len(shown) - 0.4, -0.6)
    return figure
