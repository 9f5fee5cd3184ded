"""Scored conversations as JSON, JSON Lines, CSV, and as the plain lines of a table; no files and no terminal here."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any

from clip_emotion.csv_text import csv_line
from clip_emotion.errors import UsageError
from clip_emotion.suggestion import nearest
from clip_emotion.text import fold
from scoring.config import RecencyConfig
from scoring.conversation import Fault
from scoring.result import ConversationScore, Shift, Summary, TurnScore

DIGITS = 8
"""Decimals that are written: sums over 44 labels stay true to 1e-6, and files half as large as with all of them."""
CSV_HEAD = ("conversation", "index", "speaker", "time", "text", "media", "score", "running", "dominant")
CSV_TAIL = ("error",)
SHOWN_SPEAKERS = 20
_BLOCKS = "▁▂▃▄▅▆▇█"


@dataclass(frozen=True, slots=True)
class Failure:
    """An input of a batch that could not be scored, and why."""

    name: str
    error: str


Outcome = ConversationScore | Failure


def as_dict(score: ConversationScore) -> dict[str, Any]:
    """Return a scored conversation as the mapping that ``--format json`` writes."""
    return {**_head(score), "turns": [turn_dict(turn) for turn in score.turns]}


def _head(score: ConversationScore) -> dict[str, Any]:
    recency = score.settings.recency.kind
    return {
        "name": score.name,
        "conversation": _summary_dict(score.conversation, recency),
        "speakers": {name: _summary_dict(part, recency) for name, part in score.speakers.items()},
        "shifts": [_shift_dict(shift) for shift in score.shifts],
        "emotions_from": score.emotions_from,
        "weights_from": score.weights_from,
        "settings": score.settings.model_dump(mode="json"),
        "labels": dict(score.labels),
        "layout": score.layout,
        "system_lines": score.system_lines,
        "faults": [{"line": fault.line, "reason": fault.reason, "excerpt": fault.excerpt} for fault in score.faults],
        "notices": list(score.notices),
    }


def _summary_dict(summary: Summary, recency: str) -> dict[str, Any]:
    bounds = summary.ci95
    return {
        "turns": summary.turns,
        "score": _rounded(summary.score),
        "raw": _rounded(summary.raw),
        "recency": recency,
        "ci95": None if bounds is None else [_rounded(bounds[0]), _rounded(bounds[1])],
        "contributions": _rounded_values(summary.contributions),
    }


def _shift_dict(shift: Shift) -> dict[str, Any]:
    return {
        "index": shift.index,
        "time": shift.time.isoformat() if shift.time else None,
        "before": _rounded(shift.before),
        "after": _rounded(shift.after),
        "turns": list(shift.turns),
    }


def turn_dict(scored: TurnScore) -> dict[str, Any]:
    """Return one turn as the mapping that JSON holds; ``media`` and ``error`` stand in it only where there is one."""
    turn = scored.turn
    row: dict[str, Any] = {
        "index": turn.index,
        "speaker": turn.speaker,
        "time": turn.time.isoformat() if turn.time else None,
        "text": turn.text,
        "score": _rounded(scored.score),
        "running": _rounded(scored.running),
        "emotions": _rounded_values(scored.emotions),
        "contributions": _rounded_values(scored.contributions),
    }
    if turn.media is not None:
        row["media"] = turn.media
    if scored.error is not None:
        row["error"] = scored.error
    return row


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(float(value), DIGITS)


def _rounded_values(values: Mapping[str, float]) -> dict[str, float]:
    return {label: round(float(value), DIGITS) for label, value in values.items()}


_json = json.JSONEncoder(ensure_ascii=False, allow_nan=False).encode


def json_document(outcomes: Sequence[Outcome], *, many: bool) -> str:
    """Return one JSON object, or with ``many`` a list of them, with a line per turn; a failure is a name and an error.

    Raises ValueError when there is not exactly one outcome without ``many``.
    """
    documents = [_object(outcome) for outcome in outcomes]
    if many:
        return "[\n" + ",\n".join(documents) + "\n]\n"
    (document,) = documents
    return document + "\n"


def _object(outcome: Outcome) -> str:
    if isinstance(outcome, Failure):
        return _json({"name": outcome.name, "error": outcome.error})
    # Line by line by hand: json's own indenting is slow, and would spread a turn's labels over ninety lines.
    members = [f" {_json(key)}: {_json(value)}" for key, value in _head(outcome).items()]
    turns = ",\n".join(f"  {_json(turn_dict(turn))}" for turn in outcome.turns)
    return "{\n" + ",\n".join([*members, ' "turns": [\n' + turns + "\n ]"]) + "\n}"


def json_lines(outcomes: Sequence[Outcome], *, many: bool) -> str:
    """Return one turn a line; with ``many`` each names its conversation, and a failure is a line with an error."""
    lines: list[str] = []
    for outcome in outcomes:
        if isinstance(outcome, Failure):
            lines.append(_json({"conversation": outcome.name, "error": outcome.error}) + "\n")
        else:
            lines.extend(json_line(turn, outcome.name if many else None) for turn in outcome.turns)
    return "".join(lines)


def json_line(turn: TurnScore, conversation: str | None = None) -> str:
    """Return one turn as a JSON line, with its line end; a conversation's name comes first where it is given."""
    named = {} if conversation is None else {"conversation": conversation}
    return _json({**named, **turn_dict(turn)}) + "\n"


def csv_table(outcomes: Sequence[Outcome], *, many: bool) -> str:
    """Return a header and one turn a row, with a column ``p_<label>`` for each label; a failure is a row with an error.

    The columns are the same for one conversation and for ``many``. There is no BOM in it. A text that a
    spreadsheet would run as a formula has an apostrophe before it; JSON has texts as they were said.
    """
    labels = _labels(outcomes)
    rows = [csv_header(labels)]
    for outcome in outcomes:
        if isinstance(outcome, Failure):
            blank = [""] * (len(CSV_HEAD) - 1 + len(labels))
            rows.append(csv_line([outcome.name, *blank, outcome.error]))
        else:
            rows.extend(turn_csv(turn, outcome.name, labels) for turn in outcome.turns)
    return "".join(rows)


def _labels(outcomes: Iterable[Outcome]) -> tuple[str, ...]:
    scores = [outcome for outcome in outcomes if isinstance(outcome, ConversationScore)]
    named = dict.fromkeys(label for score in scores for label in score.labels)
    if named:
        return tuple(named)
    return tuple(dict.fromkeys(label for score in scores for turn in score.turns for label in turn.emotions))


def csv_header(labels: Sequence[str]) -> str:
    """Return the header line for a vocabulary's label keys."""
    return csv_line([*CSV_HEAD, *(f"p_{label}" for label in labels), *CSV_TAIL])


def turn_csv(scored: TurnScore, conversation: str, labels: Sequence[str]) -> str:
    """Return one turn as a CSV record, with its line end."""
    turn = scored.turn
    return csv_line(
        [
            conversation,
            turn.index,
            turn.speaker,
            turn.time.isoformat() if turn.time else None,
            turn.text,
            turn.media,
            _rounded(scored.score),
            _rounded(scored.running),
            scored.dominant,
            *(_rounded(scored.emotions.get(label)) for label in labels),
            scored.error,
        ]
    )


FORMATS: dict[str, Callable[..., str]] = {"json": json_document, "jsonl": json_lines, "csv": csv_table}
"""How outcomes become a file's text: each takes the outcomes and ``many``."""


def signed(value: float | None) -> str:
    """Return a score as a person reads it: its sign and three decimals, or a dash where there is none."""
    return "–" if value is None else f"{value:+.3f}".replace("-0.000", "+0.000")


def interval(summary: Summary) -> str:
    """Return the 95 % interval in words, or an empty text where there is none."""
    return "" if summary.ci95 is None else f"{signed(summary.ci95[0])} to {signed(summary.ci95[1])}"


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
    """Return the first, the last and the strongest turns in their order; a number stands for so many left out."""
    middle = range(edge, len(turns) - edge)
    by_strength = sorted(middle, key=lambda at: -abs(turns[at].score or 0.0))[:strongest]
    kept = set(by_strength) | (set(range(len(turns))) - set(middle))
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


@dataclass(frozen=True, slots=True)
class Rank:
    """A row of a ranking: a conversation, or one speaker's part in it, with its summary or else the error."""

    name: str
    summary: Summary | None
    labels: Mapping[str, str]
    error: str | None = None


def ranking(outcomes: Iterable[Outcome], *, by_speaker: bool = False) -> list[Rank]:
    """Return conversations (or with ``by_speaker`` each speaker's part) warmest first, and failures last in order."""
    rows: list[Rank] = []
    for outcome in outcomes:
        if isinstance(outcome, Failure):
            rows.append(Rank(outcome.name, None, {}, outcome.error))
        elif by_speaker:
            parts = outcome.speakers.items()
            rows += [Rank(f"{outcome.name}, {speaker}", part, outcome.labels) for speaker, part in parts]
        else:
            rows.append(Rank(outcome.name, outcome.conversation, outcome.labels))
    return sorted(rows, key=_coldness)


def _coldness(row: Rank) -> float:
    if row.summary is None:
        return 3.0
    return 2.0 if row.summary.score is None else -row.summary.score


def only_speakers(score: ConversationScore, names: Sequence[str]) -> ConversationScore:
    """Return the score with these speakers and their turns alone; the conversation's own numbers stay as they are.

    A name is found whatever its case and spacing. Raises UsageError that lists the speakers where one is unknown.
    """
    chosen = known_speakers(score.name, tuple(score.speakers), names)
    parts = {speaker: part for speaker, part in score.speakers.items() if speaker in chosen}
    return replace(score, speakers=parts, turns=tuple(turn for turn in score.turns if turn.turn.speaker in parts))


def known_speakers(conversation: str, speakers: Sequence[str], names: Sequence[str]) -> list[str]:
    """Return the speakers of a conversation that ``names`` mean, whatever their case and spacing.

    Raises UsageError that lists the speakers where one is unknown.
    """
    known = {fold(speaker): speaker for speaker in speakers}
    for name in names:
        if fold(name) not in known:
            near = nearest(name, known.values())
            hint = f" Perhaps '{near}'?" if near else ""
            listed = ", ".join(list(known.values())[:SHOWN_SPEAKERS]) + ("…" if len(known) > SHOWN_SPEAKERS else "")
            raise UsageError(f"{conversation} has no speaker '{name}'.{hint} It has: {listed}.")
    return [known[fold(name)] for name in names]
