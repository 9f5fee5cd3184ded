"""``clip-emotion data``: fetch, prepare, count and check data sets."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import typer
from rich.table import Table
from rich.text import Text

from clip_emotion.cli.common import chosen_words, progress_bar, say, stdout, write_atomic
from clip_emotion.cli.data.labels import SHEET, CheckCommand, LabelCheck, Probabilities
from clip_emotion.cli.data.source import (
    CARD,
    LABELS,
    VOCAB,
    TableFormat,
    in_words,
    opened_set,
    place_of,
    tell_passed_over,
    tell_skipped,
    tell_skipped_of,
)
from clip_emotion.cli.options import OVERWRITE, out_folder, plot
from clip_emotion.cli.tables import uncut
from clip_emotion.outputs import WriteOptions, claim_file, claim_folder

if TYPE_CHECKING:
    from datasets import DatasetDict

    from clip_emotion.data.prepared import PreparedRecord
    from clip_emotion.data.quality import QualityReport

BAR = 32

app = typer.Typer(help="Fetch, prepare, count and check data sets.", no_args_is_help=True)


@app.command("list")
def list_data(
    output: TableFormat = typer.Option(TableFormat.table, "--format", help="How to print the cards."),
) -> None:
    """List the known data sets, their licences and whether they are prepared."""
    from clip_emotion.data.cards import list_cards, load_card

    cards = [load_card(name) for name in list_cards()]
    ready = {card.name: (_prepared_dir(card.name) / "dataset_dict.json").is_file() for card in cards}
    if output is TableFormat.json:
        print(json.dumps([{**c.model_dump(), "prepared": ready[c.name]} for c in cards], ensure_ascii=False, indent=2))
        return
    table = Table("name", "kind", "prepared", "title", "licence")
    for card in cards:
        table.add_row(card.name, card.kind, "yes" if ready[card.name] else "no", card.title, card.licence)
    stdout().print(uncut(table))


@app.command()
def get(
    name: str = typer.Argument(help="A data set with a card."),
    to: Path | None = out_folder("the raw files", required=False, default="the cache"),
) -> None:
    """Fetch a data set's raw files from Kaggle or the Hugging Face Hub."""
    from clip_emotion.data.cards import load_card
    from clip_emotion.data.download import download

    card = load_card(name)
    say(f"Fetching {card.title} ({card.licence}).")
    folder = download(card, to)
    print(folder)
    say(f"Next: clip-emotion data prepare {name} --from {folder}")


@app.command()
def prepare(
    name: str = typer.Argument(help="A data set with a card, or a card's .yaml file."),
    source: str = typer.Option(..., "--from", help="The folder, .zip or file, or hub: / hub:owner/name."),
    to: Path | None = out_folder("the prepared set", required=False, default="the cache"),
    drop_duplicates: bool = typer.Option(
        False, "--drop-duplicates", help="Clean the training split of repeated, contradictory and blank rows."
    ),
    labels: str | None = LABELS,
    vocab: str | None = VOCAB,
    split: str = typer.Option("train", help="The split of rows whose source names none."),
    overwrite: bool = OVERWRITE,
) -> None:
    """Turn raw files into a Hugging Face data set on disk."""
    from clip_emotion.data.prepare import PrepareOptions
    from clip_emotion.data.prepare import prepare as prepare_files
    from clip_emotion.data.prepared import RECORD, load_record

    options = PrepareOptions(drop_duplicates, chosen_words(labels, vocab), split, WriteOptions(overwrite))
    with progress_bar(f"Preparing {name}") as advance:
        prepared = prepare_files(name, source, to, options, advance)
    target = to or _prepared_dir(name)
    record = load_record(target)
    say(f"Prepared {name}: " + ", ".join(f"{part} {data.num_rows:,}" for part, data in prepared.items()) + ".")
    if record:
        tell_skipped(record.skipped, f"all are in {target / RECORD}")
        tell_passed_over(record)
        _tell_dropped(record)
    print(target)


@app.command()
def stats(
    name: str = typer.Argument(help="A prepared data set's name or folder, or raw files."),
    figure: Path | None = plot("the counts"),
    output: TableFormat = typer.Option(TableFormat.table, "--format", help="How to print the counts."),
    card: str | None = CARD,
    labels: str | None = LABELS,
    vocab: str | None = VOCAB,
    overwrite: bool = OVERWRITE,
) -> None:
    """Show class counts per split, as a table and as bars."""
    from clip_emotion.data.stats import class_counts

    if figure is not None:
        claim_file(figure, WriteOptions(overwrite), inputs=[place_of(name)])
    with opened_set(name, card, chosen_words(labels, vocab)) as (prepared, record):
        tell_skipped_of(name, record)
        counts = class_counts(prepared)
        rows = {split: data.num_rows for split, data in prepared.items()}
    if figure is not None:
        _save_figure(counts, figure)
    if output is TableFormat.json:
        print(json.dumps({"rows": rows, "counts": counts}, ensure_ascii=False, indent=2))
        return
    console = stdout()
    console.print(uncut(_counts_table(counts, rows)))
    console.print(_bars(counts))


@app.command(cls=CheckCommand)
def check(
    name: str = typer.Argument(help="A prepared data set's name or folder, or raw files."),
    output: TableFormat = typer.Option(TableFormat.table, "--format", help="How to print the findings."),
    card: str | None = CARD,
    labels: str | None = LABELS,
    vocab: str | None = VOCAB,
    label_issues: bool = typer.Option(
        False,
        "--label-issues",
        help="List pictures whose labels are likely wrong; --labels without a list is the same.",
    ),
    model: str = typer.Option("mini", help="For labels: mini, an open_clip name/tag, a checkpoint or folder."),
    probabilities: Probabilities = typer.Option(
        Probabilities.cross_validated, help="For labels: learnt from the other pictures, or the model's own words."
    ),
    top: int = typer.Option(50, min=1, help="For labels: how many are shown."),
    report: Path | None = typer.Option(None, help="For labels: a folder for a contact sheet and issues.csv."),
    face: str = typer.Option("none", help="For labels: none: whole pictures; auto: crop to the largest face."),
    device: str = typer.Option("auto", help="For labels: auto, cpu, cuda or mps."),
    seed: int = typer.Option(0, min=0, help="For labels: draws the folds of the cross-validation."),
    overwrite: bool = OVERWRITE,
) -> None:
    """Look for unreadable, blank, repeated and contradictory rows; exit code 1 when something was found.

    With --labels at its end, list pictures whose labels are likely wrong instead; that is advice, and exits with 0.
    """
    if label_issues and report is not None:
        claim_folder(report, SHEET, WriteOptions(overwrite), inputs=[place_of(name)])
    with opened_set(name, card, chosen_words(labels, vocab)) as (prepared, record):
        if label_issues:
            tell_skipped_of(name, record)
            LabelCheck(model, probabilities, top, report, face, device, seed).run(prepared, output)
            return
        _check_rows(prepared, record, output)


def _check_rows(prepared: DatasetDict, record: PreparedRecord | None, output: TableFormat) -> None:
    from clip_emotion.data.cards import list_cards, load_card
    from clip_emotion.data.quality import check as run_check

    known = load_card(record.name) if record and record.name in list_cards() else None
    with progress_bar("Checking", sum(data.num_rows for data in prepared.values())) as advance:
        report = run_check(prepared, known, record, advance)
    if output is TableFormat.json:
        print(json.dumps({"clean": report.clean, **report.model_dump()}, ensure_ascii=False, indent=2))
    else:
        _print_report(report)
    if not report.clean:
        raise typer.Exit(1)


def _prepared_dir(name: str) -> Path:
    from clip_emotion.data.cards import load_card
    from clip_emotion.data.prepared import prepared_dir

    return prepared_dir(load_card(name).name)


def _tell_dropped(record: PreparedRecord) -> None:
    if record.dropped:
        reasons = in_words(record.dropped)
        say(f"Dropped {record.dropped.total:,} training rows{reasons and f': {reasons}'}.")


def _counts_table(counts: Mapping[str, Mapping[str, int]], rows: Mapping[str, int]) -> Table:
    table = Table("label", *counts)
    for column in table.columns[1:]:
        column.justify = "right"
    for label in _labels_of(counts):
        table.add_row(label, *(f"{split.get(label, 0):,}" for split in counts.values()))
    table.add_section()
    table.add_row("rows", *(f"{rows[split]:,}" for split in counts))
    return table


def _bars(counts: Mapping[str, Mapping[str, int]]) -> Table:
    table = Table.grid(padding=(0, 1))
    for split, labels in counts.items():
        most = max(labels.values(), default=0) or 1
        table.add_row(Text(split, style="bold"))
        for label, count in labels.items():
            table.add_row(label, "█" * round(BAR * count / most) or ("▏" if count else ""), f"{count:,}")
    return table


def _labels_of(counts: Mapping[str, Mapping[str, int]]) -> list[str]:
    return list(dict.fromkeys(label for labels in counts.values() for label in labels))


def _save_figure(counts: Mapping[str, Mapping[str, int]], path: Path) -> None:
    from clip_emotion.evaluation.plots.class_counts import class_counts_figure
    from clip_emotion.plotting import figure_png

    write_atomic(path, figure_png(class_counts_figure(counts)))
    say(f"Drew {path}.")


def _print_report(report: QualityReport) -> None:
    table = Table("finding", "rows", "where")
    table.columns[1].justify = "right"
    for split, count in report.rows.items():
        table.add_row("rows", f"{count:,}", split)
    table.add_section()
    table.add_row(
        "unreadable", str(len(report.unreadable)), _first([f"{r.path} ({r.reason})" for r in report.unreadable])
    )
    table.add_row("blank", str(len(report.blank)), _first([row.path for row in report.blank]))
    for split, count in report.repeated.items():
        table.add_row("repeated within a split", str(count), split)
    for overlap in report.overlaps:
        where = f"{overlap.second} rows also in {overlap.first}, {overlap.other_label} with another label"
        table.add_row("in two splits", str(overlap.rows), where)
    groups = [_first([row.path for row in group], " = ") for group in report.conflicts]
    table.add_row("groups of contradictory labels", str(len(groups)), _first(groups))
    for fault in report.counts:
        table.add_row("counts differ", "", fault)
    stdout().print(uncut(table))


def _first(lines: list[str], between: str = "; ") -> str:
    more = f" and {len(lines) - 2} more" if len(lines) > 2 else ""
    return between.join(lines[:2]) + more
