"""The figure of a blend: how trained and unseen words fare from the base to the tuned model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from matplotlib.figure import Figure

from clip_emotion.plotting import BLUE, GREY, ORANGE, figure_style


def blend_figure(alphas: Sequence[float], series: Mapping[str, Sequence[float]], chosen: float, title: str) -> Figure:
    """Draw series over the share of the tuned model; the first three are drawn strong, the chosen share marked."""
    with figure_style():
        figure = Figure(figsize=(7.0, 4.4), layout="constrained")
        axes = figure.subplots()
        strong = (BLUE, ORANGE, "black")
        for number, (name, values) in enumerate(series.items()):
            style = {"color": strong[number], "linewidth": 2.0} if number < len(strong) else {"linewidth": 0.8}
            axes.plot(alphas, values, marker="o", markersize=3, label=name, **style)
        axes.axvline(chosen, color=GREY, linestyle="--", label=f"chosen: {chosen:g}")
        axes.set(xlabel="share of the tuned model (0: base, 1: tuned)", ylabel="score", title=title)
        axes.grid(alpha=0.3)
        axes.spines[["top", "right"]].set_visible(False)
        figure.legend(loc="outside right center", frameon=False, fontsize=8)
    return figure
