"""The curve of a conversation: its turns, its running scores and its mood shifts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter, MaxNLocator

from clip_emotion.arrays import FloatArray
from scoring.affection.recency import RunningScore
from scoring.output.plots.colours import dominant_colours
from scoring.output.plots.style import (
    COLD,
    INK,
    REST,
    SOFT,
    SPEAKER_MARKERS,
    WARM,
    WIDE,
    drawable,
    main_speakers,
    plot_style,
    signed_tick,
    spoken,
    widest,
)
from scoring.output.wording import signed
from scoring.result import ConversationScore, Shift, TurnScore

SPEAKER_COLOURS = ("#6a3d9a", "#8c510a", "#01665e", "#7f7f7f")
SPEAKER_DASHES: tuple[tuple[int, tuple[float, ...]], ...] = (
    (0, (5, 1.6)),
    (0, (7, 1.6, 1.4, 1.6)),
    (0, (1.4, 1.4)),
    (0, (3, 3)),
)
MANY = 1000
"""Past so many turns the dots are thin and a band of the middle 80 % carries the eye."""
TurnValue = tuple[int, float]


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


def curve_figure(score: ConversationScore, width: float = WIDE) -> Figure:
    """Draw every turn's score as a dot, the running scores as lines and the mood shifts with their levels.

    A dot's colour is the turn's dominant emotion, its form the speaker. The vertical scale is widened in steps so that
    it holds every dot, and never beyond [-1, 1]. ``width`` is in inches; on a narrow plot the legend stands below.
    """
    scored = [one for one in score.turns if one.score is not None]
    with plot_style():
        figure = Figure(figsize=(width, 5.2 if width >= WIDE else 6.6), layout="constrained")
        axes = figure.subplots()
        places = np.array([one.turn.index for one in scored], dtype=np.float64)
        values = np.array([one.score for one in scored], dtype=np.float64)
        limit = widest(values)
        last = max((one.turn.index for one in score.turns), default=1)
        axes.set(xlim=(1 - 0.015 * last, last * 1.015 + 0.5), ylim=(-limit, limit))
        axes.set(xlabel=spoken("turn", score.language), ylabel=spoken("score", score.language))
        _draw_ground(axes, limit, score.language)
        if len(scored) > MANY:
            _draw_band(axes, places, values)
        colours = dominant_colours(score)
        _draw_dots(axes, score, scored, colours)
        _draw_shifts(axes, score.shifts, places, spoken(" to ", score.language))
        lines = _draw_lines(axes, score, scored, speakers_running(score))
        _mark_days(axes, score.turns, width)
        _add_legend(figure, score, lines, colours, len(scored))
    return figure


def _draw_ground(axes: Axes, limit: float, language: str) -> None:
    axes.axhspan(0, limit, color=WARM, alpha=0.05, linewidth=0, zorder=0)
    axes.axhspan(-limit, 0, color=COLD, alpha=0.05, linewidth=0, zorder=0)
    axes.axhline(0, color=SOFT, linewidth=0.8, zorder=1)
    for height, top, word, colour in ((0.985, "top", "warm", WARM), (0.015, "bottom", "cold", COLD)):
        box = {"boxstyle": "round,pad=0.15", "facecolor": "white", "alpha": 0.6, "linewidth": 0}
        shown = spoken(word, language)
        axes.text(0.008, height, shown, transform=axes.transAxes, va=top, color=colour, fontsize=9, bbox=box, zorder=8)
    axes.yaxis.set_major_formatter(FuncFormatter(signed_tick))
    axes.xaxis.set_major_locator(MaxNLocator(10, integer=True))
    axes.spines[["top", "right"]].set_visible(False)


def _draw_band(axes: Axes, places: FloatArray, values: FloatArray, bins: int = 80) -> None:
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
            c=[_colour_of(one, colours) for one in group],
            marker=form,
            s=4 if many else 40 if len(scored) <= 150 else 18,
            alpha=0.35 if many else 0.9,
            linewidths=0 if many else 0.5,
            edgecolors="white",
            zorder=2 if many else 4,
        )


def _colour_of(one: TurnScore, colours: Mapping[str, tuple[str, int]]) -> str:
    return colours.get(one.dominant or "", (REST, 0))[0] if one.clear else REST


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
    handles[f"{spoken('whole', score.language)} {signed(score.conversation.score)}"] = line
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


def _draw_shifts(axes: Axes, shifts: Sequence[Shift], places: FloatArray, to: str, named: int = 8) -> None:
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
            _write_shift(
                axes, shift, to, height=0.09 + 0.06 * (sum(other.index < shift.index for other in largest) % 3)
            )


def _write_shift(axes: Axes, shift: Shift, to: str, height: float) -> None:
    place = shift.index - 0.5
    left, right = axes.get_xlim()
    late = (place - left) / (right - left) > 0.85
    axes.annotate(
        f"{'▲' if shift.after >= shift.before else '▼'} {signed(shift.before)}{to}{signed(shift.after)}",
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


def _mark_days(axes: Axes, turns: Sequence[TurnScore], width: float) -> None:
    """Write the dates of the turns along the top, at a day's first turn, where turns carry times."""
    days: dict[str, int] = {}
    years = {one.turn.time.year for one in turns if one.turn.time}
    for one in turns:
        if one.turn.time:
            days.setdefault(f"{one.turn.time:{'%Y-%m-%d' if len(years) > 1 else '%m-%d'}}", one.turn.index)
    if not days:
        return
    most = max(3, round((9 if len(years) > 1 else 13) * width / WIDE))
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
    names = [spoken("running score", score.language), *lines]
    headings = [0]
    if colours:
        headings += [len(names) + 1]
        handles += [blank, blank]
        names += ["", spoken("dominant emotion", score.language)]
    for label, (colour, count) in colours.items():
        handles.append(Line2D([], [], linestyle="none", marker="o", markersize=7, color=colour))
        names.append(f"{drawable(score.labels.get(label, label), label)} {count:,}")
    rest = total - sum(count for _, count in colours.values())
    if colours and rest:
        handles.append(Line2D([], [], linestyle="none", marker="o", markersize=7, color=REST))
        names.append(f"{spoken('others, or unclear', score.language)} {rest:,}")
    if figure.get_figwidth() < WIDE:
        shown = [at for at in range(len(names)) if at not in headings and names[at]]
        handles, names = [handles[at] for at in shown], [names[at] for at in shown]
        figure.legend(handles, names, loc="outside lower center", ncols=2, frameon=False, fontsize=9)
        return
    legend = figure.legend(handles, names, loc="outside right upper", frameon=False, fontsize=9, handlelength=2.6)
    for place in headings:
        legend.get_texts()[place].set(color=SOFT, position=(-32, 0))
