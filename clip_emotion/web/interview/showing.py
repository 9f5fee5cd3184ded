"""A rehearsal's report as pages show it: shares over time, questions, steady and varying moments."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from clip_emotion.web.charts import Chart, marks, stacked
from clip_emotion.web.database.tables import Picture, Result
from clip_emotion.web.interview.course import Array, Moment, changes, moments, parts
from clip_emotion.web.interview.frames import clock
from clip_emotion.web.naming import word_names
from clip_emotion.web.showing import Bar, bar, percent
from clip_emotion.web.wording import OTHER

COLOURED, LISTED = 5, 3
"""Words that have a colour of their own, and words that a question lists."""


@dataclass(frozen=True)
class Still:
    """A frame as a page shows it: its number from 1, its time or number as text, its thumbnail, its leading word."""

    number: int
    place: str
    source: str
    word: str
    face: bool


@dataclass(frozen=True)
class Stretch:
    """A moment: its frames and the mean change from one to the next, as text."""

    frames: tuple[Still, ...]
    change: str


@dataclass(frozen=True)
class Question:
    """A question: title, from where to where, pictures with a face, its words and its mean change."""

    number: int
    title: str
    begin: int
    first: str
    last: str
    count: int
    bars: tuple[Bar, ...]
    change: str


@dataclass(frozen=True)
class InterviewReport:
    """Everything that the page of a rehearsal tells."""

    stills: tuple[Still, ...]
    seen: int
    left_out: int
    words: tuple[tuple[str, str, str], ...]
    chart: Chart
    change_chart: Chart
    cuts: tuple[int, ...]
    marks: tuple[str, ...]
    change: str
    table: tuple[tuple[Still, tuple[str, ...]], ...]
    questions: tuple[Question, ...]
    steady: tuple[Stretch, ...]
    varying: tuple[Stretch, ...]


def report_of(result: Result, language: str, source: Callable[[Picture], str]) -> InterviewReport:
    """Return the report of a result whose payload and pictures are loaded; ``source`` gives a thumbnail's address."""
    frames, names = result.payload["frames"], _names(result, language)
    width = len(names)
    shares = np.asarray([frame["shares"] or [0.0] * width for frame in frames], dtype=np.float64).reshape(-1, width)
    seen = [bool(frame["face"]) for frame in frames]
    known = shares[seen]
    mean = known.mean(axis=0)
    top = [int(at) for at in np.argsort(-mean, kind="stable")[:COLOURED]]
    stills = _stills(result, frames, shares, names, source)
    at_known = [place for place, face in enumerate(seen) if face]
    asked = parts(shares, seen, [(int(begin), str(title)) for begin, title in result.payload["questions"]])
    overall = changes(known)
    return InterviewReport(
        stills=stills, seen=len(known), left_out=int(result.payload["left_out"]),
        words=tuple((f"w{place}", names[at], percent(mean[at])) for place, at in enumerate(top)),
        chart=stacked([_column(row, top) if face else {} for row, face in zip(shares, seen, strict=True)],
                      (*(f"w{place}" for place in range(len(top))), OTHER), top=1),
        change_chart=stacked(_change_columns(overall, at_known, len(frames)), ("change",), top=1),
        cuts=tuple(part.begin * 10 for part in asked[1:]), marks=tuple(marks([still.place for still in stills])),
        change=percent(overall.mean()) if len(overall) else "–",
        table=tuple((still, tuple(percent(row[at]) if face else "–" for at in top))
                    for still, row, face in zip(stills, shares, seen, strict=True)),
        questions=tuple(
            Question(number, part.title, part.begin, stills[part.begin].place, stills[part.end - 1].place,
                     sum(seen[part.begin : part.end]), _bars(part.shares, names),
                     "–" if part.change is None else percent(part.change))
            for number, part in enumerate(asked, 1)
        ),
        steady=_stretches(moments(known, steadiest=True), stills, at_known),
        varying=_stretches(moments(known, steadiest=False), stills, at_known),
    )  # fmt: skip


def _names(result: Result, language: str) -> list[str]:
    known = word_names(result.vocabulary, language)
    return [known.get(key, name) for key, name in result.payload["words"]]


def _stills(
    result: Result, frames: Sequence[dict[str, Any]], shares: Array, names: list[str], source: Callable[[Picture], str]
) -> tuple[Still, ...]:
    pictures = {picture.position: picture for picture in result.pictures}
    return tuple(
        Still(
            at + 1,
            clock(frame["time"]) if frame["time"] is not None else f"#{at + 1}",
            source(pictures[at]) if at in pictures else "",
            names[int(shares[at].argmax())] if frame["face"] else "–",
            bool(frame["face"]),
        )
        for at, frame in enumerate(frames)
    )


def _column(row: Array, top: list[int]) -> dict[str, float]:
    column = {f"w{place}": float(row[at]) for place, at in enumerate(top)}
    return {**column, OTHER: max(0.0, 1 - sum(column.values()))}


def _change_columns(change: Array, places: list[int], frames: int) -> list[dict[str, float]]:
    columns: list[dict[str, float]] = [{} for _ in range(frames)]
    for value, place in zip(change, places[1:], strict=True):
        columns[place] = {"change": float(value)}
    return columns


def _bars(shares: Array | None, names: list[str]) -> tuple[Bar, ...]:
    if shares is None:
        return ()
    order = np.argsort(-shares, kind="stable")[:LISTED]
    return tuple(bar({"name": names[int(at)], "probability": float(shares[at])}) for at in order)


def _stretches(found: list[Moment], stills: Sequence[Still], places: list[int]) -> tuple[Stretch, ...]:
    return tuple(
        Stretch(tuple(stills[place] for place in places[one.first : one.last + 1]), percent(one.change))
        for one in found
    )
