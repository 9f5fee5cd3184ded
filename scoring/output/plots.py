"""Figures of a scored conversation: its curve, the labels' shares of the score, and a ranking of several."""

from __future__ import annotations

import math
import unicodedata
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cache

import numpy as np
from matplotlib import font_manager, rc_context
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ft2font import FT2Font
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter, MaxNLocator
from numpy.typing import NDArray

from clip_emotion.plotting import figure_style, korean_font
from scoring.affection.recency import RunningScore
from scoring.output.formats import signed
from scoring.result import ConversationScore, Shift, Summary, TurnScore

INK, SOFT, REST = "#1b2733", "#5b6876", "#a3abb4"
WARM, COLD = "#d55e00", "#0072b2"
# Mostly Okabe and Ito's colours (2008), which colour-blind readers tell apart: a dot's side shows in its colour, too.
DOT_COLOURS = {
    "warm": ("#e69f00", "#d55e00", "#cc79a7", "#dcc600", "#8b1a1a"),
    "cold": ("#0072b2", "#56b4e9", "#009e73", "#1f2f7a"),
    "neither": ("#3d3d3d", "#8a7968"),
}
NEITHER = 0.2
"""A label whose weight is no larger is drawn as neither warm nor cold."""
SPEAKER_COLOURS = ("#6a3d9a", "#8c510a", "#01665e", "#7f7f7f")
SPEAKER_DASHES: tuple[tuple[int, tuple[float, ...]], ...] = (
    (0, (5, 1.6)),
    (0, (7, 1.6, 1.4, 1.6)),
    (0, (1.4, 1.4)),
    (0, (3, 3)),
)
SPEAKER_MARKERS = ("o", "^", "s", "D")
LIMITS = (0.1, 0.2, 0.3, 0.4, 0.6, 0.8, 1.0)
MANY = 1000
"""Past so many turns the dots are thin and a band of the middle 80 % carries the eye."""
BARS = 8
"""Labels drawn on each side, warm and cold."""
LONGEST_NAME = 14

Points = NDArray[np.float64]
TurnValue = tuple[int, float]


@cache
def _glyphs() -> frozenset[int]:
    """Return the code points that the figures' two fonts can draw."""
    paths = (font_manager.findfont(family) for family in (korean_font(), "DejaVu Sans"))
    return frozenset(code for path in paths for code in FT2Font(path).get_charmap())


def drawable(text: str, instead: str = "?", longest: int = LONGEST_NAME) -> str:
    """Return a name as the figures' fonts can draw it: one line, at most ``longest`` letters, without emoji.

    ``instead`` stands for a name of which nothing is left.
    """
    known = _glyphs()
    kept = "".join(letter if ord(letter) in known else " " for letter in unicodedata.normalize("NFC", text))
    line = " ".join("".join(letter if letter.isprintable() else " " for letter in kept).split())
    if len(line) > longest:
        line = line[: longest - 1].rstrip() + "…"
    # matplotlib leaves names out of a legend that begin with an underscore.
    return f" {line}" if line.startswith("_") else line or instead


@contextmanager
def _style() -> Iterator[None]:
    """Draw with Hangul and with dollar signs as they are: a name is no formula."""
    with figure_style(), rc_context({"text.parse_math": False, "axes.edgecolor": SOFT, "font.size": 9.5}):
        yield


def label_weights(score: ConversationScore) -> dict[str, float]:
    """Return the labels' weights w, as the turns' contributions p · w and probabilities p tell them."""
    weights: dict[str, float] = {}
    for one in score.turns:
        for label, share in one.emotions.items():
            if share > 0 and label not in weights:
                weights[label] = one.contributions.get(label, 0.0) / share
        if len(weights) == len(one.emotions) > 0:
            break
    return weights


def main_speakers(score: ConversationScore) -> tuple[str, ...]:
    """Return the speakers drawn by name, those with the most scored turns, in the order of the record."""
    spoken = [name for name, summary in score.speakers.items() if summary.turns]
    most = sorted(spoken, key=lambda name: -score.speakers[name].turns)[: len(SPEAKER_MARKERS)]
    return tuple(name for name in spoken if name in most)


def speakers_running(score: ConversationScore) -> dict[str, list[TurnValue]]:
    """Return each main speaker's running score as pairs of a turn's number and the score of their turns up to it.

    A speaker whose line would not end at the speaker's own score is left out: turns of others are missing.
    """
    sums = {name: RunningScore(score.settings.recency) for name in main_speakers(score)}
    lines: dict[str, list[TurnValue]] = {name: [] for name in sums}
    clock = None
    for position, one in enumerate((one for one in score.turns if one.score is not None), start=1):
        minute = one.turn.minute
        clock = minute if clock is None or minute is None else max(clock, minute)
        name = one.turn.speaker
        if name in lines:
            # A speaker's turns keep their place and their time in the whole conversation.
            lines[name].append((one.turn.index, sums[name].update(one.score or 0.0, clock, position)))
    ends = {name: score.speakers[name].score or 0.0 for name in lines}
    return {name: line for name, line in lines.items() if line and abs(line[-1][1] - ends[name]) < 1e-6}


def dominant_colours(score: ConversationScore, most: int = 8) -> dict[str, tuple[str, int]]:
    """Return the labels that most often dominate a turn, each with its colour and its number of turns."""
    counts = Counter(label for one in score.turns if one.score is not None and (label := one.dominant))
    weights = label_weights(score)
    left = {side: list(colours) for side, colours in DOT_COLOURS.items()}
    chosen: dict[str, tuple[str, int]] = {}
    for label, count in counts.most_common():
        weight = weights.get(label, 0.0)
        free = left["neither" if abs(weight) <= NEITHER else "warm" if weight > 0 else "cold"]
        if free and len(chosen) < most:
            chosen[label] = (free.pop(0), count)
    return chosen


def curve_figure(score: ConversationScore) -> Figure:
    """Draw every turn's score as a dot, the running scores as lines and the mood shifts with their levels.

    A dot's colour is the turn's dominant emotion, its form the speaker. The vertical scale is widened in steps so that
    it holds every dot, and never beyond [-1, 1].
    """
    scored = [one for one in score.turns if one.score is not None]
    with _style():
        figure = Figure(figsize=(11.0, 5.2), layout="constrained")
        axes = figure.subplots()
        places = np.array([one.turn.index for one in scored], dtype=np.float64)
        values = np.array([one.score for one in scored], dtype=np.float64)
        limit = _limit(values)
        last = max((one.turn.index for one in score.turns), default=1)
        axes.set(xlim=(1 - 0.015 * last, last * 1.015 + 0.5), ylim=(-limit, limit), xlabel="turn", ylabel="score")
        _draw_ground(axes, limit)
        if len(scored) > MANY:
            _draw_band(axes, places, values)
        colours = dominant_colours(score)
        _draw_dots(axes, score, scored, colours)
        _draw_shifts(axes, score.shifts, places)
        lines = _draw_lines(axes, score, scored, speakers_running(score))
        _mark_days(axes, score.turns)
        _add_legend(figure, score, lines, colours, len(scored))
    return figure


def _limit(values: Points) -> float:
    highest = float(np.max(np.abs(values), initial=0.0)) * 1.04
    return next((limit for limit in LIMITS if highest <= limit), 1.0) * 1.02


def _draw_ground(axes: Axes, limit: float) -> None:
    axes.axhspan(0, limit, color=WARM, alpha=0.05, linewidth=0, zorder=0)
    axes.axhspan(-limit, 0, color=COLD, alpha=0.05, linewidth=0, zorder=0)
    axes.axhline(0, color=SOFT, linewidth=0.8, zorder=1)
    for height, top, word, colour in ((0.985, "top", "따뜻함 warm", WARM), (0.015, "bottom", "차가움 cold", COLD)):
        box = {"boxstyle": "round,pad=0.15", "facecolor": "white", "alpha": 0.6, "linewidth": 0}
        axes.text(0.008, height, word, transform=axes.transAxes, va=top, color=colour, fontsize=9, bbox=box, zorder=8)
    axes.yaxis.set_major_formatter(FuncFormatter(_tick))
    axes.xaxis.set_major_locator(MaxNLocator(10, integer=True))
    axes.spines[["top", "right"]].set_visible(False)


def _draw_band(axes: Axes, places: Points, values: Points, bins: int = 80) -> None:
    chunks = [chunk for chunk in np.array_split(np.arange(len(values)), bins) if len(chunk)]
    middles = [float(places[chunk].mean()) for chunk in chunks]
    low, high = np.array([np.percentile(values[chunk], [10, 90]) for chunk in chunks]).T
    axes.fill_between(middles, low, high, color=SOFT, alpha=0.16, linewidth=0, zorder=3)


def _draw_dots(
    axes: Axes, score: ConversationScore, scored: Sequence[TurnScore], colours: Mapping[str, tuple[str, int]]
) -> None:
    many = len(scored) > MANY
    forms = dict(zip(main_speakers(score), SPEAKER_MARKERS, strict=False))
    groups: dict[str, list[TurnScore]] = {}
    for one in scored:
        groups.setdefault(forms.get(one.turn.speaker, "o"), []).append(one)
    for form, group in groups.items():
        axes.scatter(
            [one.turn.index for one in group],
            [one.score or 0.0 for one in group],
            c=[colours.get(one.dominant or "", (REST, 0))[0] for one in group],
            marker=form,
            s=4 if many else 40 if len(scored) <= 150 else 18,
            alpha=0.35 if many else 0.9,
            linewidths=0 if many else 0.5,
            edgecolors="white",
            zorder=2 if many else 4,
        )


def _draw_lines(
    axes: Axes,
    score: ConversationScore,
    scored: Sequence[TurnScore],
    running: Mapping[str, Sequence[TurnValue]],
) -> dict[str, Artist]:
    """Draw the running scores and return their handles by shown name, the whole conversation's first."""
    handles: dict[str, Artist] = {}
    whole = [one for one in scored if one.running is not None]
    (line,) = axes.plot(
        [one.turn.index for one in whole], [one.running or 0.0 for one in whole], color=INK, linewidth=2.4, zorder=7
    )
    handles[f"whole {signed(score.conversation.score)}"] = line
    for number, name in enumerate(main_speakers(score)):
        own = running.get(name, ())
        (line,) = axes.plot(
            [index for index, _ in own],
            [value for _, value in own],
            color=SPEAKER_COLOURS[number],
            linestyle=SPEAKER_DASHES[number],
            linewidth=1.7,
            zorder=6,
        )
        shown = f"{drawable(name, f'speaker {number + 1}')} {signed(score.speakers[name].score)}"
        while shown in handles:
            shown += " "
        handle = Line2D([], [])
        handle.update_from(line)
        handle.set_marker(SPEAKER_MARKERS[number])
        if not own:
            handle.set_linestyle("none")
        handles[shown] = handle
    return handles


def _draw_shifts(axes: Axes, shifts: Sequence[Shift], places: Points, named: int = 8) -> None:
    """Draw each shift as a vertical line and the levels between shifts as steps; the largest are written out."""
    if not shifts or not len(places):
        return
    # Where only some speakers' turns are shown, shifts may lie before or after all of them.
    first, last = min(float(places[0]), shifts[0].index), max(float(places[-1]), shifts[-1].index)
    edges = [first, *(shift.index - 0.5 for shift in shifts), last]
    levels = [shifts[0].before, *(shift.after for shift in shifts)]
    axes.hlines(levels, edges[:-1], edges[1:], color=INK, linewidth=7, alpha=0.16, zorder=3)
    largest = sorted(shifts, key=lambda shift: -abs(shift.after - shift.before))[:named]
    for shift in shifts:
        written = shift in largest
        axes.axvline(shift.index - 0.5, color=INK, linestyle=":", linewidth=1.3 if written else 0.6, zorder=3)
        if written:
            _write_shift(axes, shift, height=0.09 + 0.06 * (sum(other.index < shift.index for other in largest) % 3))


def _write_shift(axes: Axes, shift: Shift, height: float) -> None:
    place = shift.index - 0.5
    left, right = axes.get_xlim()
    late = (place - left) / (right - left) > 0.85
    axes.annotate(
        f"{'▲' if shift.after >= shift.before else '▼'} {signed(shift.before)} to {signed(shift.after)}",
        (place, height),
        xycoords=axes.get_xaxis_transform(),
        xytext=(-4 if late else 4, 0),
        textcoords="offset points",
        ha="right" if late else "left",
        va="center",
        fontsize=8.5,
        color=INK,
        zorder=8,
        bbox={"boxstyle": "round,pad=0.2", "facecolor": "white", "alpha": 0.8, "linewidth": 0},
    )


def _mark_days(axes: Axes, turns: Sequence[TurnScore]) -> None:
    """Write the dates of the turns along the top, at a day's first turn, where turns carry times."""
    days: dict[str, int] = {}
    years = {one.turn.time.year for one in turns if one.turn.time}
    for one in turns:
        if one.turn.time:
            days.setdefault(f"{one.turn.time:{'%Y-%m-%d' if len(years) > 1 else '%m-%d'}}", one.turn.index)
    if not days:
        return
    most = 9 if len(years) > 1 else 13
    apart = (len(turns) or 1) / most
    kept: dict[str, int] = {}
    for day, index in days.items():
        if not kept or index - list(kept.values())[-1] >= apart:
            kept[day] = index
    upper = axes.secondary_xaxis("top")
    upper.set_xticks(list(kept.values()), labels=list(kept), fontsize=8, color=SOFT, ha="left")
    upper.spines["top"].set_visible(False)
    upper.tick_params(length=3, color=SOFT, pad=1)
    if len(days) <= 3 * most:
        for index in list(days.values())[1:]:
            axes.axvline(index - 0.5, color=SOFT, linewidth=0.5, alpha=0.35, zorder=1)


def _add_legend(
    figure: Figure,
    score: ConversationScore,
    lines: Mapping[str, Artist],
    colours: Mapping[str, tuple[str, int]],
    total: int,
) -> None:
    """Put one column beside the axes: the running scores, then the dominant emotions with their numbers of turns."""
    blank = Line2D([], [], linestyle="none")
    handles: list[Artist] = [blank, *lines.values()]
    names = ["running score", *lines]
    headings = [0]
    if colours:
        headings += [len(names) + 1]
        handles += [blank, blank]
        names += ["", "dominant emotion"]
    for label, (colour, count) in colours.items():
        handles.append(Line2D([], [], linestyle="none", marker="o", markersize=7, color=colour))
        names.append(f"{drawable(score.labels.get(label, label), label)} {count:,}")
    rest = total - sum(count for _, count in colours.values())
    if colours and rest:
        handles.append(Line2D([], [], linestyle="none", marker="o", markersize=7, color=REST))
        names.append(f"others {rest:,}")
    legend = figure.legend(handles, names, loc="outside right upper", frameon=False, fontsize=9, handlelength=2.6)
    for place in headings:
        legend.get_texts()[place].set(color=SOFT, position=(-32, 0))


def contributions_figure(score: ConversationScore) -> Figure:
    """Draw each label's share of the score as a bar, the conversation and its main speakers side by side.

    The labels are those with the largest shares on either side, ordered from the warmest down; shares of a panel add
    up to its score when the labels left out are counted in.
    """
    whole = score.conversation.contributions
    order = sorted((label for label in whole if whole[label]), key=lambda label: -whole[label])
    warm = [label for label in order if whole[label] > 0][:BARS]
    cold = [label for label in order if whole[label] < 0][-BARS:]
    shown = warm + cold
    panels: dict[str, Summary] = {"whole": score.conversation}
    names = ["whole"]
    for number, name in enumerate(main_speakers(score), start=1):
        panels[f"speaker {number}"] = score.speakers[name]
        names.append(drawable(name, f"speaker {number}"))
    with _style():
        figure = Figure(figsize=(11.0, max(2.4, 0.27 * len(shown) + 1.1)), layout="constrained")
        rows = figure.subplots(1, len(panels), sharex=True, sharey=True, squeeze=False)[0]
        for axes, name, summary in zip(rows, names, panels.values(), strict=True):
            values = [summary.contributions.get(label, 0.0) for label in shown]
            axes.barh(range(len(shown)), values, color=[WARM if value >= 0 else COLD for value in values], height=0.7)
            axes.axvline(0, color=SOFT, linewidth=0.8)
            if cold and warm:
                axes.axhline(len(warm) - 0.5, color=REST, linewidth=0.8, linestyle=":")
            axes.set_title(f"{name}  {signed(summary.score)}", fontsize=10, color=INK)
            axes.xaxis.set_major_locator(MaxNLocator(4))
            axes.xaxis.set_major_formatter(FuncFormatter(_tick))
            axes.tick_params(axis="x", labelsize=8)
            axes.tick_params(axis="y", length=0)
            axes.spines[["top", "right", "left"]].set_visible(False)
        first = rows[0]
        first.set_yticks(range(len(shown)), labels=[drawable(score.labels.get(label, label), label) for label in shown])
        first.set_ylim(len(shown) - 0.4, -0.6)
    return figure


def _tick(value: float, _: float | None = None) -> str:
    return "0" if math.isclose(value, 0, abs_tol=1e-12) else f"{value:+.3g}"


def ranking_figure(scores: Sequence[ConversationScore], most: int = 40) -> Figure:
    """Draw conversations' scores with their 95 % intervals, in the given order, at most ``most`` of them."""
    shown = [one for one in scores if one.conversation.score is not None][:most]
    values = np.array([one.conversation.score for one in shown], dtype=np.float64)
    bounds = np.array([one.conversation.ci95 or (one.conversation.score,) * 2 for one in shown], dtype=np.float64)
    limit = _limit(np.concatenate([values, bounds.ravel()]))
    with _style():
        figure = Figure(figsize=(8.5, max(1.6, 0.34 * len(shown) + 0.9)), layout="constrained")
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
        axes.set(xlim=(-limit, limit), ylim=(len(shown) - 0.4, -0.6), xlabel="score with its 95 % interval")
        axes.xaxis.set_major_formatter(FuncFormatter(_tick))
        axes.spines[["top", "right", "left"]].set_visible(False)
        axes.tick_params(axis="y", length=0)
    return figure
