"""What a score says in words: signed numbers, intervals, sentences, and the plain lines of a table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise

from clip_emotion.text import fold
from scoring.config import EverydayRange, RecencyConfig
from scoring.conversation import Fault
from scoring.result import PeriodScore, Shift, Summary, TurnScore

_BLOCKS = "▁▂▃▄▅▆▇█"


def signed(value: float | None) -> str:
    """Return a score as a person reads it: its sign and three decimals, or a dash where there is none."""
    return "–" if value is None else f"{value:+.3f}".replace("-0.000", "+0.000")


def interval(summary: Summary | PeriodScore) -> str:
    """Return the 95 % interval in words, or an empty text where there is none."""
    return "" if summary.ci95 is None else f"{signed(summary.ci95[0])} to {signed(summary.ci95[1])}"


def korean_recency(recency: RecencyConfig) -> str:
    """Return the recency in Korean, as ``recency.words`` says it in English."""
    kinds = {"linear": "선형", "uniform": "균등", "exponential": "지수", "peak-end": "정점과 끝"}
    if recency.kind != "exponential":
        return kinds[recency.kind]
    unit = {"turns": "개", "minutes": "분"}[recency.unit]
    return f"{kinds[recency.kind]}(반감기 {'말 ' if unit == '개' else ''}{recency.half_life:g}{unit})"


def headline(summary: Summary, recency: RecencyConfig, total: int | None = None) -> str:
    """Return a summary as one sentence: score, interval, turns (of ``total``, where not all were scored), recency."""
    between = f" (95 % interval {interval(summary)})" if summary.ci95 else ""
    count = summary.turns
    turns = f"{count} turn{'' if count == 1 else 's'}" if total in (None, count) else f"{count} of {total} turns"
    return f"affection {signed(summary.score)}{between} on a scale of -1 to +1, from {turns}, recency {recency.words}."


def strongest_labels(summary: Summary, names: Mapping[str, str], count: int = 3) -> str:
    """Return the labels that move a score most, strongest first, with what each adds to it."""
    ordered = sorted(summary.contributions.items(), key=lambda entry: -abs(entry[1]))[:count]
    return ", ".join(f"{names.get(label, label)} {signed(value)}" for label, value in ordered if abs(value) >= 0.0005)


UNCLEAR = "불분명 unclear"
"""What stands for the strongest emotion of a turn where it is not sure enough to be named."""


def shown_emotion(scored: TurnScore, names: Mapping[str, str]) -> str:
    """Return the name of a turn's strongest emotion, or the word for unclear; empty where the turn has no score."""
    if scored.dominant is None:
        return ""
    return names.get(scored.dominant, scored.dominant) if scored.clear else UNCLEAR


def everyday_sentence(everyday: EverydayRange) -> str:
    """Return the everyday range as one sentence."""
    bounds = f"{signed(everyday.low)} to {signed(everyday.high)}"
    return f"Two in three everyday messages score {bounds} (mean {signed(everyday.mean)})."


def scale_line(score: float, everyday: EverydayRange | None, width: int = 41) -> str:
    """Return a scale from -1 to +1 as one line: ● where the score lies, ▒ over the everyday range."""

    def place(value: float) -> int:
        return round((min(1.0, max(-1.0, value)) + 1) / 2 * (width - 1))

    signs = ["─"] * width
    if everyday is not None:
        for at in range(place(everyday.low), place(everyday.high) + 1):
            signs[at] = "▒"
    signs[place(0.0)] = "┼"
    signs[place(score)] = "●"
    return f"-1 {''.join(signs)} +1"


def shift_sentence(shift: Shift) -> str:
    """Return a mood shift as one sentence: from which turn on, and from which mean to which."""
    when = f" ({shift.time:%Y-%m-%d %H:%M})" if shift.time else ""
    way = "warmer" if shift.after > shift.before else "colder"
    return f"{way} from turn {shift.index}{when} on: {signed(shift.before)} before, {signed(shift.after)} after"


def fault_sentence(name: str, faults: Sequence[Fault], shown: int = 5) -> str:
    """Return one sentence on the lines that could not be read as turns, the first few with their reasons."""
    listed = "; ".join(f"line {fault.line}: {fault.reason.rstrip('.')}" for fault in faults[:shown])
    more = f"; and {len(faults) - shown} more" if len(faults) > shown else ""
    lines = "1 line" if len(faults) == 1 else f"{len(faults)} lines"
    return f"{name}: {lines} could not be read as turns ({listed}{more})."


def excerpt_turns(turns: Sequence[TurnScore], edge: int = 5, strongest: int = 20) -> list[TurnScore | int]:
    """Return the first, the last and the strongest turns in their order; a number stands for so many left out.

    Among the strongest a text stands once, however often it was said.
    """
    middle = range(edge, len(turns) - edge)
    by_strength = sorted(middle, key=lambda at: -abs(turns[at].score or 0.0))
    first_said = {fold(turns[at].turn.text): at for at in reversed(by_strength)}
    kept = {at for at in by_strength if first_said[fold(turns[at].turn.text)] == at}
    kept = set([at for at in by_strength if at in kept][:strongest]) | (set(range(len(turns))) - set(middle))
    rows: list[TurnScore | int] = []
    for at, turn in enumerate(turns):
        if at in kept:
            rows.append(turn)
        elif rows and isinstance(rows[-1], int):
            rows[-1] += 1
        else:
            rows.append(1)
    return rows


def sparkline(values: Sequence[float], width: int = 60) -> str:
    """Return a curve of block characters, at most ``width`` of them, each the mean of its stretch of values."""
    if not values:
        return ""
    count = min(width, len(values))
    edges = [at * len(values) // count for at in range(count + 1)]
    means = [sum(values[a:b]) / (b - a) for a, b in pairwise(edges)]
    low, span = min(means), max(means) - min(means)
    if span <= 0:
        return _BLOCKS[len(_BLOCKS) // 2] * count
    return "".join(_BLOCKS[round((mean - low) / span * (len(_BLOCKS) - 1))] for mean in means)
