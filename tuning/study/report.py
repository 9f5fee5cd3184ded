"""What a study leaves in its folder: the table, everything as JSON, and the plot."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from clip_emotion.files import write_atomic
from clip_emotion.plotting import figure_png
from tuning.study.config import StudyConfig
from tuning.study.plots import study_figure
from tuning.study.records import RunRecord, read_record
from tuning.study.results import RowResult, results
from tuning.study.runs import StudyRun
from tuning.study.table import csv_table, study_json

JSON, CSV, PLOT = "study.json", "study.csv", "study.png"


def records_there(runs: Sequence[StudyRun]) -> tuple[dict[str, list[RunRecord]], list[str]]:
    """Return the records of runs that have begun, by row, and a note on each that was made with other settings."""
    found: dict[str, list[RunRecord]] = {}
    notes = []
    for run in runs:
        record = read_record(run.folder)
        if record is None:
            continue
        found.setdefault(run.row, []).append(record)
        changed = run.differs_from(record.settings)
        if changed:
            notes.append(f"{run.name} was made with other settings than it would be now: {changed}.")
    return found, notes


def write_report(config: StudyConfig, runs: Sequence[StudyRun]) -> tuple[list[RowResult], list[Path]]:
    """Write the study's files of all runs that are there; returns its rows, and where the files lie."""
    rows = results(config, records_there(runs)[0])
    contents: dict[str, str | bytes] = {JSON: study_json(config, rows), CSV: csv_table(rows)}
    if any(row.done for row in rows):
        contents[PLOT] = figure_png(study_figure(config, rows))
    for name, content in contents.items():
        write_atomic(config.out / name, content)
    return rows, [config.out / name for name in contents]
