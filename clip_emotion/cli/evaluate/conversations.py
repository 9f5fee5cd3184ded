"""``clip-emotion evaluate-conversations``: how well the score agrees with what people judged in chats and dialogues."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from clip_emotion.cli import options
from clip_emotion.cli.common import progress_bar, say, stdout
from clip_emotion.cli.tables import uncut

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from scoring.config import ScoreConfig
    from scoring.evaluation.conversations import ConversationEvaluation, Finding, Measured
    from scoring.evaluation.tasks import TextScores

WIDTH = 116
"""Columns below which a terminal would break the rows."""
_HEADINGS = {"turn": "Single turns", "conversation": "Whole conversations"}


class EvaluationFormat(StrEnum):
    """How the result is printed."""

    table = "table"
    json = "json"
    markdown = "markdown"


class TextSource(StrEnum):
    """What judges a turn's emotion by its words alone."""

    text = "text"
    kobert = "kobert"


def evaluate_conversations(
    data: Path = typer.Option(..., "--data", help="Folder or .zip of the tables: chatbot, emocontext, MELD, EmoryNLP."),
    emotions: TextSource = typer.Option(TextSource.text, "--emotions", help="What turns are judged by."),
    model: str = options.MODEL,
    kobert: Path | None = options.KOBERT,
    only: str | None = typer.Option(None, "--only", help="Comma list out of chatbot, emocontext, meld, emorynlp."),
    config: Path | None = options.CONFIG,
    output: EvaluationFormat = typer.Option(EvaluationFormat.table, "--format", help="How to print the result."),
    limit: int | None = options.limit("rows or dialogues of each table"),
    device: options.Device = options.DEVICE,
) -> None:
    """Evaluate the score on judged chats and dialogues, all recency schemes side by side and beside trivial baselines.

    Every value has a 95 % bootstrap interval over dialogues. Tables that are missing are left out.
    """
    from scoring.config import load_settings
    from scoring.evaluation.conversations import evaluate_conversations as evaluate
    from scoring.evaluation.conversations import task_names

    chosen = task_names(only)
    settings = load_settings(config)
    with progress_bar("texts judged") as advance:
        scores = _scores(emotions, JudgeOptions(model, kobert, device), settings, advance)
        result = evaluate(data, scores, settings, chosen, limit)
    for notice in result.notices:
        say(f"Note: {notice}")
    _PRINTERS[output](result)


@dataclass(frozen=True)
class JudgeOptions:
    """Where the model that judges comes from, and where it runs."""

    model: str
    kobert: Path | None
    device: str


def _scores(emotions: str, judge: JudgeOptions, settings: ScoreConfig, advance: Callable[[int], None]) -> TextScores:
    from clip_emotion.vocabulary import Vocabulary
    from scoring.affection.weights import affection_weights
    from scoring.embedders import load_embedder
    from scoring.emotions.loading import EmotionOptions, load_emotion
    from scoring.evaluation.tasks import TextScores

    vocabulary = Vocabulary.load(settings.vocabulary)
    wanted = EmotionOptions(vocabulary, model=judge.model, device=judge.device, kobert=judge.kobert)
    emotion = load_emotion(emotions, wanted)
    for notice in emotion.notices:
        say(f"Note: {notice}")
    embedder = load_embedder(settings.weights.embedder, judge.device)
    return TextScores(emotion, affection_weights(vocabulary, embedder, settings.weights), advance)


def _by_level(result: ConversationEvaluation) -> Iterator[tuple[str, list[Finding], tuple[str, ...]]]:
    """Yield each level's heading, findings and the names of those who answer."""
    from scoring.evaluation.tasks import ANSWERS

    for level, answers in ANSWERS.items():
        found = [finding for finding in result.findings if finding.level == level]
        if found:
            yield _HEADINGS[level], found, answers


def _size(finding: Finding) -> str:
    rows = f"{finding.rows:,}"
    return rows if finding.rows == finding.groups else f"{rows} in {finding.groups:,}"


def _cells(measured: Measured) -> tuple[str, str]:
    """Return the value and its interval; a constant answer has no interval worth the room."""
    if math.isnan(measured.value):
        return "–", ""
    interval = f"[{measured.low:.3f}, {measured.high:.3f}]" if measured.low < measured.high else ""
    return f"{measured.value:.3f}", interval


def _sources(result: ConversationEvaluation) -> str:
    return (
        f"Emotions: {result.emotions_from}. Weights: {result.weights_from}. Half-life of the exponential recency: "
        f"{result.half_life:g} turns. Intervals: 95 %, {result.resamples:,} resamples of dialogues."
    )


def _print_table(result: ConversationEvaluation) -> None:
    from rich.table import Table

    console = stdout()
    console.width = max(console.width, WIDTH)
    for heading, findings, answers in _by_level(result):
        table = Table("data", "against", title=heading)
        for column in ("n", "metric", "scored by"):
            table.add_column(column, justify="right" if column == "n" else "left")
        for column in ("value", "95 % interval"):
            table.add_column(column, justify="right")
        for finding in findings:
            opening = (finding.task, finding.about, _size(finding), finding.metric)
            for at, name in enumerate(answers):
                table.add_row(*(opening if at == 0 else ("",) * len(opening)), name, *_cells(finding.answers[name]))
            table.add_row("", "", "", "", "chance", f"{finding.chance:.3f}", "", end_section=True)
        console.print(uncut(table))
    say(_sources(result))


def _print_markdown(result: ConversationEvaluation) -> None:
    for heading, findings, answers in _by_level(result):
        columns = ("data", "against", "n", "metric", *answers, "chance")
        lines: list[tuple[str, ...]] = [columns, ("---", "---", "---:", "---", *("---:" for _ in answers), "---:")]
        for finding in findings:
            values = (" ".join(filter(None, _cells(finding.answers[name]))) for name in answers)
            chance = f"{finding.chance:.3f}"
            lines.append((finding.task, finding.about, _size(finding), finding.metric, *values, chance))
        print(f"### {heading}\n")
        print("\n".join(f"| {' | '.join(line)} |" for line in lines), end="\n\n")
    print(_sources(result))


def _print_json(result: ConversationEvaluation) -> None:
    from clip_emotion.evaluation.result import finite

    print(json.dumps(finite(result.to_dict()), ensure_ascii=False, indent=2))


_PRINTERS = {
    EvaluationFormat.table: _print_table,
    EvaluationFormat.markdown: _print_markdown,
    EvaluationFormat.json: _print_json,
}
