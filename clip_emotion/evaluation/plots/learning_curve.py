"""The learning curves of a run: a panel for each metric."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator, ScalarFormatter

from clip_emotion.evaluation.measurement import DIRECTIONS, Better, Measurement
from clip_emotion.label import LANGUAGES
from clip_emotion.plotting import GREY, figure_style

MOST_LINES = 8
MARKS = 20
"""A line bears at most so many markers, however many points it has."""
BATCHES, VALIDATION = "training batches", "validation"
OF_THE_LOOP = {
    "loss": Measurement("loss", 0.0, BATCHES),
    "train_accuracy": Measurement("accuracy", 0.0, BATCHES),
}
"""What the training loop itself writes beside validation's metrics."""
# Okabe and Ito's colours, which the colour-blind can tell apart, without their yellow; black is for training batches.
COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#56b4e9", "#e69f00", "#7a5195", "#8c564b")
STYLES = dict(zip(("", *LANGUAGES), ("-", "--", ":"), strict=True))
MARKERS = dict(zip(("", *LANGUAGES), ("o", "s", "^"), strict=True))


@dataclass(frozen=True)
class Curve:
    """One metric over the steps: what it measures, and its points."""

    measured: Measurement
    points: tuple[tuple[float, float], ...]

    @property
    def metric(self) -> str:
        """What is measured."""
        return self.measured.metric

    @property
    def language(self) -> str:
        """The language, or '' for all of them."""
        return self.measured.language

    @property
    def subject(self) -> str:
        """The rows that are looked at, in words."""
        return self.measured.split.replace("_", " ") or VALIDATION

    @property
    def label(self) -> str:
        """What the legend calls it."""
        return f"{self.subject}, {self.language}" if self.language else self.subject


Panel = list[tuple[str, Curve]]
"""Curves, each with its colour."""


def learning_curve_figure(
    rows: Sequence[Mapping[str, float]], known: Mapping[str, Measurement], best_step: int | None = None
) -> Figure:
    """Draw a run's loss and validation metrics over the steps, with a line at the best step where there is one.

    ``rows`` are those of ``metrics.jsonl``: step, seconds, loss and metrics, and ``known`` says what each name
    measures; an unknown name is a metric of its own. A colour stands for the rows that were looked at, the same in all
    panels as far as there are colours, a line style for a language.
    """
    curves = _curves(rows, {**OF_THE_LOOP, **known})
    panels = _panels(curves, _colours(curves))
    columns = 2 if len(panels) > 2 else 1
    height = -(-len(panels) // columns)
    with figure_style():
        figure = Figure(figsize=(7.0 * columns, 0.6 + 2.8 * height), layout="constrained")
        first: Axes | None = None
        for number, (title, panel) in enumerate(panels, start=1):
            axes = figure.add_subplot(height, columns, number, sharex=first)
            first = first or axes
            _draw(axes, panel, best_step)
            axes.set_title(title, loc="left", fontsize=12)
        if first is not None and best_step is not None:
            figure.legend(handles=first.lines[-1:], loc="outside upper right", frameon=False)
    return figure


def _curves(rows: Sequence[Mapping[str, float]], known: Mapping[str, Measurement]) -> list[Curve]:
    names = dict.fromkeys(name for row in ({"loss": 0.0}, *rows) for name in row if name not in ("step", "seconds"))
    points = {name: tuple((row["step"], row[name]) for row in rows if name in row) for name in names}
    return [Curve(known.get(name, Measurement(name, 0.0)), own) for name, own in points.items() if own]


def _colours(curves: Sequence[Curve]) -> dict[str, str]:
    subjects = dict.fromkeys(curve.subject for curve in curves if curve.subject != BATCHES)
    return {BATCHES: "black", **{name: COLOURS[at % len(COLOURS)] for at, name in enumerate(subjects)}}


def _panels(curves: Sequence[Curve], colours: Mapping[str, str]) -> list[tuple[str, Panel]]:
    """Return titled panels of coloured curves, those where lower is better first."""
    metrics = sorted(
        dict.fromkeys(curve.metric for curve in curves), key=lambda name: DIRECTIONS.get(name) is not Better.LOWER
    )
    panels = []
    for metric in metrics:
        own = [curve for curve in curves if curve.metric == metric]
        whole, spoken = [curve for curve in own if not curve.language], [curve for curve in own if curve.language]
        groups = [("", own)] if len(own) <= MOST_LINES else [("", whole), (" by language", spoken)]
        for suffix, group in groups:
            panels += [(_title(metric) + suffix, part) for part in _parts(group, colours)]
    return panels


def _title(metric: str) -> str:
    return metric.replace("_", " ").replace("f1", "F1")


def _parts(curves: Sequence[Curve], colours: Mapping[str, str]) -> list[Panel]:
    """Divide curves so that no part has too many, nor two that look alike."""
    parts: list[Panel] = []
    for curve in curves:
        colour = colours[curve.subject]
        look = (colour, curve.language)
        free = (p for p in parts if len(p) < MOST_LINES and look not in {(c, other.language) for c, other in p})
        part = next(free, None)
        if part is None:
            parts.append(part := [])
        part.append((colour, curve))
    return parts


def _draw(axes: Axes, panel: Panel, best_step: int | None) -> None:
    for colour, curve in panel:
        steps, values = zip(*curve.points, strict=True)
        axes.plot(
            steps,
            values,
            label=curve.label,
            color=colour,
            linestyle=STYLES[curve.language],
            linewidth=1.3,
            marker=MARKERS[curve.language],
            markersize=5,
            # Hollow, so that languages that agree are both seen.
            markerfacecolor="none" if curve.language else colour,
            markevery=-(-len(steps) // MARKS),
        )
    axes.legend(loc="center left", bbox_to_anchor=(1.0, 0.5), frameon=False, fontsize=8, handlelength=3)
    if best_step is not None:
        axes.axvline(best_step, color=GREY, linestyle="-.", linewidth=1.2, label=f"best, step {best_step}", zorder=0)
    axes.set(xlabel="step", ylabel=_direction(panel[0][1].metric))
    axes.set_xlim(left=0)
    axes.xaxis.set_major_locator(MaxNLocator(6, integer=True))
    axes.yaxis.set_major_formatter(ScalarFormatter(useOffset=False))
    axes.grid(alpha=0.3)
    axes.spines[["top", "right"]].set_visible(False)


def _direction(metric: str) -> str:
    """Return which way is good; the label is read from the bottom up, and so the arrow points there."""
    # NanumGothic's own arrows lack their shafts.
    directions = {Better.LOWER: r"$\leftarrow$ lower is better", Better.HIGHER: r"higher is better $\rightarrow$"}
    better = DIRECTIONS.get(metric)
    return directions[better] if better else ""
