"""``clip-emotion study``: train named rows of settings, and set them side by side."""

from __future__ import annotations

import shlex
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from clip_emotion.cli.common import say, stdout
from clip_emotion.cli.options import OVERWRITE
from clip_emotion.cli.tables import uncut
from clip_emotion.errors import ClipEmotionError, UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tuning.study.config import StudyConfig
    from tuning.study.records import RunRecord
    from tuning.study.results import RowResult
    from tuning.study.runs import StudyRun

WIDTH = 150
"""Columns below which a terminal would break the rows."""


class StudyFormat(StrEnum):
    """How the table is printed."""

    table = "table"
    markdown = "markdown"
    csv = "csv"
    jsonl = "jsonl"


def study(
    arguments: list[str] = typer.Argument(..., metavar="CONFIG… [key=value …]", help="YAML files, then overrides."),
    rows: str | None = typer.Option(None, "--rows", help="Comma list of the rows to train; all by default."),
    only_table: bool = typer.Option(False, "--only-table", help="Train nothing: print what is there."),
    output: StudyFormat = typer.Option(StudyFormat.table, "--format", help="How to print the table."),
    check: bool = typer.Option(False, "--check", help="See that rows and data are right; train nothing."),
    threads: int = typer.Option(0, "--threads", min=0, help="CPU threads; 0 takes every core."),
    overwrite: bool = OVERWRITE,
) -> None:
    """Train each row of a study, and print its table; study.json, study.csv and study.png go to the study's OUT.

    A row that is finished is not trained again, and one that was cut off goes on: call the same command again.

    Example: clip-emotion study configs/study/augmentation.yaml --rows none,flip
    """
    paths = [Path(argument) for argument in arguments if "=" not in argument]
    overrides = [argument for argument in arguments if "=" in argument]
    missing = [str(path) for path in paths if not path.is_file()]
    if missing or not paths:
        raise UsageError(f"No such configuration: {', '.join(missing) or 'none given'} (see the folder configs/study).")
    studies = _read(paths, overrides)
    if check:
        _check(studies, rows)
        return
    failed = 0
    for config, runs in studies:
        try:
            failed += 0 if only_table else _train(config, runs, rows, threads, overwrite)
        except KeyboardInterrupt:
            more = ["--rows", rows] if rows else []
            say(f"To go on: clip-emotion study {shlex.join([*arguments, *more])}")
            raise
        _tell(config, runs, output, written=not only_table)
    if failed:
        raise ClipEmotionError(f"{failed} run(s) failed; the same command tries them again.")


def _read(paths: Sequence[Path], overrides: list[str]) -> list[tuple[StudyConfig, list[StudyRun]]]:
    """Read and validate all studies before any begins."""
    from tuning.study.config import read_study

    configs = [read_study(path, overrides) for path in paths]
    outs = [config.out.resolve() for config in configs]
    if len(set(outs)) < len(outs):
        raise UsageError("Several studies write into one folder: give each an out of its own.")
    from tuning.study.runs import plan_study

    return [(config, plan_study(config, str(path))) for path, config in zip(paths, configs, strict=True)]


def _check(studies: Sequence[tuple[StudyConfig, list[StudyRun]]], rows: str | None) -> None:
    from tuning.study.runs import chosen
    from tuning.study.study import check_runs

    runs = [run for config, planned in studies for run in chosen(planned, config, rows)]
    sources = check_runs(runs)
    say(f"Ready: {len(runs)} run(s) are right, and all {len(set(sources))} data sets that they read are there.")


def _train(config: StudyConfig, planned: Sequence[StudyRun], rows: str | None, threads: int, overwrite: bool) -> int:
    """Train what is asked for and write the study's files; returns how many runs failed."""
    import torch

    from clip_emotion.cli.train import report
    from clip_emotion.runtime import available_cpus
    from tuning.study.report import write_report
    from tuning.study.runs import chosen
    from tuning.study.study import carry_out, claimed

    torch.set_num_threads(threads or available_cpus())
    runs = chosen(planned, config, rows)
    numbers = {run.folder: number for number, run in enumerate(runs, 1)}

    def tell(run: StudyRun, record: RunRecord) -> None:
        say(f"{run.name} ({numbers[run.folder]} of {len(runs)}): {_state(record)}")

    with claimed(config.out, runs, overwrite):
        say(f"Study of {len(runs)} run(s) into {config.out} (Ctrl-C stops; the same command goes on).")
        try:
            records = carry_out(runs, tell, report)
        finally:
            _, written = write_report(config, planned)
    say(f"Written: {', '.join(map(str, written))}")
    return sum(record.status == "failed" for record in records)


def _state(record: RunRecord) -> str:
    if record.status != "done":
        return f"failed: {record.error}" if record.error else "training"
    rates = "  ".join(f"{rate} {record.metrics[rate]:.3f}" for rate in ("accuracy", "macro_recall", "macro_f1"))
    return f"{rates}  in {record.seconds:.0f} s"


def _tell(config: StudyConfig, runs: Sequence[StudyRun], output: StudyFormat, *, written: bool) -> None:
    from tuning.study.report import records_there
    from tuning.study.results import results

    records, notes = records_there(runs)
    if not records and not written:
        raise UsageError(f"{config.out} holds no run of this study yet: leave --only-table out to train.")
    for note in notes:
        say(f"Note: {note}")
    rows = results(config, records)
    _print(config, rows, output)
    for row in rows:
        for error in row.errors:
            say(f"Failed: {error}")


def _print(config: StudyConfig, rows: Sequence[RowResult], output: StudyFormat) -> None:
    from rich.table import Table

    from tuning.study.table import classes_table, csv_table, jsonl_table, markdown, rates_table

    if output in (StudyFormat.csv, StudyFormat.jsonl):
        print(csv_table(rows) if output is StudyFormat.csv else jsonl_table(rows), end="")
        return
    tables = [rates_table(config, rows), *([classes_table(rows)] if any(row.done for row in rows) else [])]
    if output is StudyFormat.markdown:
        print("\n".join(map(markdown, tables)), end="")
        return
    console = stdout()
    console.width = max(console.width, WIDTH)
    for number, (columns, cells) in enumerate(tables):
        shown = Table(columns[0], title="" if number else config.title)
        for column in columns[1:]:
            shown.add_column(column, justify="right")
        for line in cells:
            shown.add_row(*line)
        console.print(uncut(shown))
    say("In brackets: 95 % intervals over the images; ±: standard deviation over seeds.")
