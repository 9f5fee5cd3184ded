"""Scored conversations as JSON, JSON Lines and CSV; no files and no terminal here."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from clip_emotion.csv_text import csv_line
from scoring.result import ConversationScore, Failure, Outcome, PeriodScore, Shift, Summary, TurnScore

DIGITS = 8
"""Decimals that are written: sums over 44 labels stay true to 1e-6, and files half as large as with all of them."""
CSV_HEAD = ("conversation", "index", "speaker", "time", "text", "media", "score", "running", "dominant", "clear")
CSV_TAIL = ("error",)


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
        **({"periods": [_period_dict(period) for period in score.periods]} if score.periods else {}),
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


def _period_dict(period: PeriodScore) -> dict[str, Any]:
    bounds = period.ci95
    return {
        "start": period.start.isoformat(),
        "turns": period.turns,
        "score": _rounded(period.score),
        "ci95": None if bounds is None else [_rounded(bounds[0]), _rounded(bounds[1])],
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
        "clear": None if scored.score is None else scored.clear,
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


def csv_table(outcomes: Sequence[Outcome], *, many: bool, probabilities: bool = False) -> str:
    """Return a header and one turn a row; a failure is a row with an error.

    With ``probabilities`` there is a column ``p_<label>`` for each label.

    The columns are the same for one conversation and for ``many``. There is no BOM in it. A text that a
    spreadsheet would run as a formula has an apostrophe before it; JSON has texts as they were said.
    """
    labels = _labels(outcomes) if probabilities else ()
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
            None if scored.score is None else str(scored.clear).lower(),
            *(_rounded(scored.emotions.get(label)) for label in labels),
            scored.error,
        ]
    )


FORMATS: dict[str, Callable[..., str]] = {"json": json_document, "jsonl": json_lines, "csv": csv_table}
"""How outcomes become a file's text: each takes the outcomes and ``many``."""
