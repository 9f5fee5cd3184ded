"""``clip-emotion data``: fetch, prepare, count and check data sets."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING

import typer
from rich.table import Table
from rich.text import Text

from clip_emotion.cli.common import chosen_words, progress_bar, say, stdout, write_atomic

if TYPE_CHECKING:
    from datasets import DatasetDict

    from clip_emotion.data.checks import CheckReport
    from clip_emotion.data.prepare import Record
    from clip_emotion.vocabulary import Vocabulary

BAR = 32
SHOWN = 10

app = typer.Typer(help="Fetch, prepare, count and check data sets.", no_args_is_help=True)


class Format(str, Enum):
    """How a result is printed."""

    table = "table"
    json = "json"


LABELS = typer.Option(None, "--labels", help="Your own classes, as a comma list.")
VOCAB = typer.Option(None, "--vocab", help="The classes as a vocabulary: a shipped name, a .yaml or a .txt file.")
CARD = typer.Option(
    None, "--card", help="For raw files: the card to read them by (default: image_csv or image_folder, whichever fits)."
)


@app.command("list")
def list_data(output: Format = typer.Option(Format.table, "--format", help="How to print the cards.")) -> None:
    """List the known data sets, their licences and whether they are prepared."""
    from clip_emotion.data.cards import list_cards, load_card

    cards = [load_card(name) for name in list_cards()]
    ready = {card.name: (_prepared_dir(card.name) / "dataset_dict.json").is_file() for card in cards}
    if output is Format.json:
        print(json.dumps([{**c.model_dump(), "prepared": ready[c.name]} for c in cards], ensure_ascii=False, indent=2))
        return
    table = Table("name", "kind", "prepared", "title", "licence")
    for card in cards:
        table.add_row(card.name, card.kind, "yes" if ready[card.name] else "no", card.title, card.licence)
    stdout().print(table)


@app.command()
def get(
    name: str = typer.Argument(help="A data set with a card."),
    to: Path | None = typer.Option(None, help="Where to put the files (default: the cache)."),
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
    to: Path | None = typer.Option(None, help="Where to write (default: the cache)."),
    drop_duplicates: bool = typer.Option(
        False, "--drop-duplicates", help="Clean the training split of repeated, contradictory and blank rows."
    ),
    labels: str | None = LABELS,
    vocab: str | None = VOCAB,
    split: str = typer.Option("train", help="The split of rows whose source names none."),
) -> None:
    """Turn raw files into a Hugging Face data set on disk."""
    from clip_emotion.data.prepare import load_record
    from clip_emotion.data.prepare import prepare as prepare_files

    with progress_bar(f"Preparing {name}") as advance:
        prepared = prepare_files(
            name,
            source,
            to,
            drop_duplicates=drop_duplicates,
            vocabulary=chosen_words(labels, vocab),
            default_split=split,
            progress=advance,
        )
    target = to or _prepared_dir(name)
    record = load_record(target)
    say(f"Prepared {name}: " + ", ".join(f"{part} {data.num_rows:,}" for part, data in prepared.items()) + ".")
    if record:
        _tell_losses(record)
    print(target)


@app.command()
def stats(
    name: str = typer.Argument(help="A prepared data set's name or folder, or raw files."),
    figure: Path | None = typer.Option(None, help="Also draw the counts into this PNG."),
    output: Format = typer.Option(Format.table, "--format", help="How to print the counts."),
    card: str | None = CARD,
    labels: str | None = LABELS,
    vocab: str | None = VOCAB,
) -> None:
    """Show class counts per split, as a table and as bars."""
    from clip_emotion.data.stats import class_counts

    with _opened(name, card, chosen_words(labels, vocab)) as (prepared, _):
        counts = class_counts(prepared)
        rows = {split: data.num_rows for split, data in prepared.items()}
    if figure is not None:
        _save_figure(counts, figure)
    if output is Format.json:
        print(json.dumps({"rows": rows, "counts": counts}, ensure_ascii=False, indent=2))
        return
    console = stdout()
    console.print(_counts_table(counts, rows))
    console.print(_bars(counts))


@app.command()
def check(
    name: str = typer.Argument(help="A prepared data set's name or folder, or raw files."),
    output: Format = typer.Option(Format.table, "--format", help="How to print the findings."),
    card: str | None = CARD,
    labels: str | None = LABELS,
    vocab: str | None = VOCAB,
) -> None:
    """Look for unreadable, blank, repeated and contradictory rows; exit code 1 when something was found."""
    from clip_emotion.data.cards import list_cards, load_card
    from clip_emotion.data.checks import check as run_check

    with _opened(name, card, chosen_words(labels, vocab)) as (prepared, record):
        known = load_card(record.name) if record and record.name in list_cards() else None
        with progress_bar("Checking", sum(data.num_rows for data in prepared.values())) as advance:
            report = run_check(prepared, known, record, advance)
    if output is Format.json:
        print(json.dumps({"clean": report.clean, **report.model_dump()}, ensure_ascii=False, indent=2))
    else:
        _print_report(report)
    if not report.clean:
        raise typer.Exit(1)


@contextmanager
def _opened(name: str, card: str | None, vocabulary: Vocabulary | None) -> Iterator[tuple[DatasetDict, Record | None]]:
    """Load a prepared data set; raw files are first prepared into a folder that goes away with the block.

    Windows keeps what is still mapped into memory: its own clean-up of temporary files then has it.
    """
    from clip_emotion.data.cards import list_cards
    from clip_emotion.data.prepare import MARK, load_prepared, load_record

    path = Path(name)
    raw = card is not None or (path.exists() and not (path / MARK).is_file() and name not in list_cards())
    if not raw:
        yield load_prepared(name), load_record(name)
        return
    with tempfile.TemporaryDirectory(prefix="clip-emotion.", ignore_cleanup_errors=True) as scratch:
        target = Path(scratch) / "prepared"
        with progress_bar(f"Reading {name}") as advance:
            _prepare_raw(path, card, target, vocabulary, advance)
        yield load_prepared(target), load_record(target)


def _prepare_raw(
    path: Path, card: str | None, target: Path, vocabulary: Vocabulary | None, advance: Callable[[int], None]
) -> None:
    from clip_emotion.data.prepare import guess_card
    from clip_emotion.data.prepare import prepare as prepare_files

    prepare_files(card or guess_card(path, vocabulary), path, target, vocabulary=vocabulary, progress=advance)


def _prepared_dir(name: str) -> Path:
    from clip_emotion.data.cards import load_card
    from clip_emotion.data.prepare import prepared_dir

    return prepared_dir(load_card(name).name)


def _tell_losses(record: Record) -> None:
    if record.skipped:
        say(f"Skipped {len(record.skipped)} rows that cannot be used:")
        for row in record.skipped[:SHOWN]:
            say(f"  {row.path}: {row.reason}")
        if len(record.skipped) > SHOWN:
            say(f"  and {len(record.skipped) - SHOWN} more; all are in card.json.")
    if record.dropped:
        reasons = ", ".join(f"{count} {reason.replace('_', ' ')}" for reason, count in record.dropped)
        say(f"Dropped {record.dropped.total} training rows: {reasons}.")


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
    from clip_emotion.evaluation.class_counts import class_counts_figure
    from clip_emotion.evaluation.plots import figure_png

    write_atomic(path, figure_png(class_counts_figure(counts)))
    say(f"Drew {path}.")


def _print_report(report: CheckReport) -> None:
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
    stdout().print(table)


def _first(lines: list[str], between: str = "; ") -> str:
    more = f" and {len(lines) - 2} more" if len(lines) > 2 else ""
    return between.join(lines[:2]) + more
