"""Scored conversations as pages for people: the curve, the labels' shares, and the turns behind each shift."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from clip_emotion.errors import UsageError
from clip_emotion.files import write_atomic
from clip_emotion.html import data_uri, environment
from clip_emotion.plotting import figure_png
from scoring.everyday import everyday_range
from scoring.output.line_faults import korean_failure, korean_fault, korean_notice
from scoring.output.made_of import emotions_made, layout_read, reason_told, weights_made
from scoring.output.plots.contributions import contributions_figure
from scoring.output.plots.curve import MANY, curve_figure
from scoring.output.plots.ranking import ranking_figure
from scoring.output.plots.style import NARROW, WIDE, main_speakers
from scoring.output.wording import interval, korean_recency, signed, strongest_labels
from scoring.result import ConversationScore, Failure, Outcome, PeriodScore, Shift, Summary, TurnScore

MOST_TURNS = 500
"""Turns in a page's table of all turns."""
MOST_SHIFTS = 25
MOST_PERIODS = 120
"""Days, weeks or months in a page's table, the last ones."""
MOST_FAULTS = 50
LONGEST_TEXT = 1500
"""Letters of a message that a page quotes."""
PAGE_NAME = re.compile(r"conversation-[0-9]+(\.html|-(curve|contributions)(-narrow)?\.png)")
"""The names of a report's pages and plots where it holds several conversations, and of nothing else."""
SIZES = (("", WIDE), ("-narrow", NARROW))
"""How the name of a plot for wide and for narrow screens ends, and its width in inches."""
MEDIA = {
    "photo": ("photo", "사진"),
    "video": ("video", "동영상"),
    "emoticon": ("emoticon", "이모티콘"),
    "file": ("file", "파일"),
    "voice": ("voice message", "음성메시지"),
    "deleted": ("deleted message", "삭제된 메시지"),
    "hidden": ("hidden message", "가려진 메시지"),
    "call": ("call", "통화"),
    "map": ("map", "지도"),
    "contact": ("contact", "연락처"),
    "vote": ("vote", "투표"),
}


def write_report(outcomes: Sequence[Outcome], folder: str | Path) -> Path:
    """Write a page a conversation, with its plots inside and beside it as PNG, and return the first page's path.

    One conversation is ``index.html``; several are ``conversation-1.html`` …, and ``index.html`` ranks them and names
    those that could not be scored. Pages that an earlier, longer report left in the folder are removed. The same
    outcomes give the same bytes. Raises UsageError when no conversation was scored or the folder cannot be written.
    """
    scores = [outcome for outcome in outcomes if isinstance(outcome, ConversationScore)]
    failures = [outcome for outcome in outcomes if isinstance(outcome, Failure)]
    if not scores:
        raise UsageError("There is no scored conversation to report on: give at least one that could be read.")
    files = _one(scores[0]) if len(outcomes) == 1 else _several(scores, failures)
    folder = Path(folder)
    try:
        for name, content in files.items():
            write_atomic(folder / name, content)
        for path in list(folder.iterdir()):
            if PAGE_NAME.fullmatch(path.name) and path.name not in files and path.is_file():
                path.unlink()
    except OSError as error:
        raise UsageError(f"Cannot write the report to {folder}: {error.strerror or error}.") from error
    return folder / "index.html"


def _one(score: ConversationScore) -> dict[str, str | bytes]:
    plots = _plots(score)
    return {"index.html": _page(score, plots, back=False), **{f"{name}.png": png for name, png in plots.items()}}


def _several(scores: Sequence[ConversationScore], failures: Sequence[Failure]) -> dict[str, str | bytes]:
    """Return the files by name, the pages numbered by rank so that the links of the index read in order."""
    order = sorted(scores, key=lambda one: math.inf if one.conversation.score is None else -one.conversation.score)
    files: dict[str, str | bytes] = {}
    for number, score in enumerate(order, start=1):
        plots = _plots(score)
        files[f"conversation-{number}.html"] = _page(score, plots, back=True)
        files.update({f"conversation-{number}-{name}.png": png for name, png in plots.items()})
    ranking = {f"ranking{ending}": figure_png(ranking_figure(order, width)) for ending, width in SIZES}
    files.update({f"{name}.png": png for name, png in ranking.items()})
    rows = [
        {"page": f"conversation-{number}.html", "name": score.name, "speakers": list(score.speakers)}
        | _summary(score.conversation, score.labels)
        | {"shifts": len(score.shifts)}
        for number, score in enumerate(order, start=1)
    ]
    files["index.html"] = (
        environment("scoring.output")
        .get_template("ranking.html.j2")
        .render(
            rows=rows,
            failures=[(failure.name, failure.error, korean_failure(failure.error)) for failure in failures],
            plots={name: data_uri(png) for name, png in ranking.items()},
            recency=scores[0].settings.recency,
            korean_recency=korean_recency(scores[0].settings.recency),
            language=scores[0].language,
        )
    )
    return files


def _plots(score: ConversationScore) -> dict[str, bytes]:
    """Return the plots of a page by name, each for a wide and for a narrow screen; none without a scored turn."""
    if not score.conversation.turns:
        return {}
    return {
        f"{name}{ending}": figure_png(draw(score, width))
        for name, draw in (("curve", curve_figure), ("contributions", contributions_figure))
        for ending, width in SIZES
    }


def _page(score: ConversationScore, plots: Mapping[str, bytes], *, back: bool) -> str:
    strongest = max((abs(one.score) for one in score.turns if one.score is not None), default=0.0) or 1.0
    rows = {one.turn.index: _row(one, score.labels, strongest) for one in score.turns[:MOST_TURNS]}
    quoted = sorted(score.shifts, key=lambda shift: -abs(shift.after - shift.before))[:MOST_SHIFTS]
    wanted = {index for shift in quoted for index in shift.turns} - rows.keys()
    quotes = rows | {
        one.turn.index: _row(one, score.labels, strongest) for one in score.turns if one.turn.index in wanted
    }
    return (
        environment("scoring.output")
        .get_template("conversation.html.j2")
        .render(
            score=score,
            language=score.language,
            recency=score.settings.recency,
            korean_recency=korean_recency(score.settings.recency),
            made={
                "emotions": emotions_made(score.emotions_from),
                "weights": weights_made(score.weights_from),
                "layout": layout_read(score.layout),
            },
            periods=[_period(period, score.periods) for period in score.periods[-MOST_PERIODS:]],
            back=back,
            verdict=_verdict(score.conversation),
            scale=_scale(score.conversation),
            whole=_summary(score.conversation, score.labels),
            speakers=[{"name": name} | _summary(part, score.labels) for name, part in score.speakers.items()],
            drawn=len(main_speakers(score)),
            partial=score.conversation.turns > sum(one.score is not None for one in score.turns),
            many=score.conversation.turns > MANY,
            plots={name: data_uri(png) for name, png in plots.items()},
            everyday=_everyday(score),
            shifts=[_shift(shift, quotes) for shift in score.shifts if shift in quoted],
            rows=list(rows.values()),
            faults=[(fault, korean_fault(fault.reason)) for fault in score.faults[:MOST_FAULTS]],
            notices=[(notice, korean_notice(notice)) for notice in score.notices],
            times=any(one.turn.time for one in score.turns),
        )
    )


def _verdict(summary: Summary) -> tuple[str, str]:
    """Say in English and Korean which way the score points, as far as its interval allows."""
    if summary.score is None:
        return "No turn could be scored.", "점수를 낼 수 있는 말이 없어요."
    low, high = summary.ci95 or (summary.score, summary.score)
    if summary.ci95 is not None and low > 0:
        return "On the whole, the words are warm.", "전체적으로 따뜻한 말들이 오갔어요."
    if summary.ci95 is not None and high < 0:
        return "On the whole, the words are cold.", "전체적으로 차가운 말들이 오갔어요."
    return "Neither clearly warm nor clearly cold.", "따뜻하다고도 차갑다고도 하기 어려워요."


def _scale(summary: Summary | PeriodScore) -> dict[str, str] | None:
    """Return where the score and its interval stand on a rail from -1 to 1, in percent of its length."""
    if summary.score is None:
        return None
    low, high = summary.ci95 or (summary.score, summary.score)
    percent = [f"{50 + 50 * min(1.0, max(-1.0, value)):.2f}" for value in (summary.score, low)]
    return {"at": percent[0], "low": percent[1], "width": f"{50 * (high - low):.2f}"}


def _everyday(score: ConversationScore) -> dict[str, str] | None:
    """Return the everyday range in words, and where it stands on the rail in percent of its length."""
    everyday = everyday_range(score)
    if everyday is None:
        return None
    low, high = everyday.low, everyday.high
    place = {"left": f"{50 + 50 * low:.2f}", "width": f"{50 * (high - low):.2f}"}
    return {**place, "low": signed(low), "high": signed(high), "mean": signed(everyday.mean)}


def _summary(summary: Summary, labels: Mapping[str, str]) -> dict[str, Any]:
    return {
        "turns": summary.turns,
        "score": signed(summary.score),
        "sign": _sign(summary.score),
        "interval": interval(summary),
        "raw": signed(summary.raw),
        "strongest": strongest_labels(summary, labels),
    }


def _period(period: PeriodScore, periods: Sequence[PeriodScore]) -> dict[str, Any]:
    """Return a period as the page shows it; ``depth`` in [0, 1] is how strongly its score is coloured."""
    strongest = max(abs(one.score) for one in periods) or 1.0
    return {
        "start": period.start.isoformat(),
        "score": signed(period.score),
        "sign": _sign(period.score),
        "depth": f"{0.7 * abs(period.score) / strongest:.2f}",
        "interval": interval(period),
        "turns": period.turns,
        "scale": _scale(period),
    }


def _sign(value: float | None) -> str:
    return "none" if value is None else "warm" if value >= 0 else "cold"


def _row(one: TurnScore, labels: Mapping[str, str], strongest: float) -> dict[str, Any]:
    """Return a turn as the page shows it; ``depth`` in [0, 1] is how strongly its score is coloured."""
    turn = one.turn
    text = turn.text if len(turn.text) <= LONGEST_TEXT else f"{turn.text[:LONGEST_TEXT]}…"
    return {
        "index": turn.index,
        "speaker": turn.speaker,
        "time": f"{turn.time:%Y-%m-%d %H:%M}" if turn.time else "",
        "text": text,
        "media": MEDIA.get(turn.media, (turn.media, turn.media)) if turn.media else None,
        "image": turn.image is not None,
        "score": signed(one.score),
        "running": signed(one.running),
        "sign": _sign(one.score),
        "depth": f"{0.7 * abs(one.score or 0.0) / strongest:.2f}",
        "emotions": [(labels.get(label, label), f"{share:.0%}") for label, share in one.strongest() if share > 0],
        "unclear": not one.clear,
        "reason": reason_told(one.error),
    }


def _shift(shift: Shift, quotes: Mapping[int, Mapping[str, Any]]) -> dict[str, Any]:
    return {
        "index": shift.index,
        "time": f"{shift.time:%Y-%m-%d %H:%M}" if shift.time else "",
        "warmer": shift.after > shift.before,
        "before": signed(shift.before),
        "after": signed(shift.after),
        "quotes": [quotes[index] for index in sorted(shift.turns) if index in quotes],
    }
