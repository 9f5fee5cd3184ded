"""Evaluates the score on conversations that people judged, turn by turn and as a whole."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from clip_emotion.data.sources import open_source
from clip_emotion.errors import DataError, UsageError
from scoring.config import BootstrapConfig, ScoreConfig
from scoring.evaluation.metrics import METRICS, metric_interval
from scoring.evaluation.tables import Tables
from scoring.evaluation.tasks import TASKS, Question, TaskContext, TextScores


@dataclass(frozen=True, slots=True)
class Measured:
    """One answer's value of the metric, with its 95 % bootstrap interval."""

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class Finding:
    """A question with the answers measured; ``rows`` in ``groups`` dialogues, ``chance`` is a random answer's value.

    ``unjudged`` rows more are left out, because nothing can be said of them.
    """

    task: str
    about: str
    level: str
    metric: str
    rows: int
    groups: int
    chance: float
    answers: Mapping[str, Measured]
    unjudged: int = 0


@dataclass(frozen=True)
class ConversationEvaluation:
    """All findings, where the scores came from, and sentences about what was left out."""

    findings: tuple[Finding, ...]
    emotions_from: str
    weights_from: str
    half_life: float
    resamples: int
    notices: tuple[str, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """Return everything as JSON-ready values (NaN stays, for the writer to decide)."""
        return asdict(self)


def evaluate_conversations(
    data: Path, scores: TextScores, config: ScoreConfig, tasks: Sequence[str], limit: int | None = None
) -> ConversationEvaluation:
    """Evaluate those of the named ``TASKS`` whose tables lie in ``data``.

    ``limit`` draws so many dialogues or rows of each table, seeded as the bootstrap is. Raises DataError where no table
    is there or one is not as published, UsageError for a half-life in minutes.
    """
    if config.recency.unit == "minutes":
        raise UsageError("The judged dialogues carry no times: give recency.half_life in turns.")
    wanted = {name: TASKS[name] for name in tasks}
    findings: list[Finding] = []
    with open_source(data) as source:
        context = TaskContext(Tables(source, limit, config.bootstrap.seed), scores, config)
        for name, task in wanted.items():
            if context.tables.has(task.table):
                findings += [_measure(name, question, config.bootstrap) for question in task.ask(context)]
            else:
                context.notices.append(f"{data} holds no table {task.table}: {name} is left out.")
    if not findings:
        tables = ", ".join(task.table for task in wanted.values())
        raise DataError(f"{data} holds none of the tables {tables} (.tsv, .csv or .txt, .gz too): nothing to evaluate.")
    return ConversationEvaluation(
        tuple(findings),
        scores.emotions_from,
        scores.weights_from,
        config.recency.half_life,
        config.bootstrap.resamples,
        (*context.tables.notices, *context.notices, *map(_left_out, filter(lambda found: found.unjudged, findings))),
    )


def task_names(listed: str | None) -> tuple[str, ...]:
    """Return the tasks of a comma list, all for None; raises UsageError for an unknown one."""
    names = tuple(TASKS) if listed is None else tuple(filter(None, map(str.strip, listed.split(","))))
    for name in names:
        if name not in TASKS:
            raise UsageError(f"Unknown task '{name}': choose among {', '.join(TASKS)}.")
    if not names:
        raise UsageError(f"No task is named: choose among {', '.join(TASKS)}.")
    return names


def _left_out(finding: Finding) -> str:
    total = finding.rows + finding.unjudged
    return f"{finding.task}, {finding.about}: nothing can be said of {finding.unjudged} of {total} rows, left out."


def _measure(task: str, question: Question, config: BootstrapConfig) -> Finding:
    metric = METRICS[question.metric]
    measured = {
        name: Measured(
            metric.measure(answer, question.truth),
            *metric_interval(metric, answer, question.truth, question.groups, config),
        )
        for name, answer in question.answers.items()
    }
    groups = len(np.unique(question.groups))
    rows = len(question.truth)
    return Finding(
        task, question.about, question.level, question.metric, rows, groups, metric.chance, measured, question.unjudged
    )
