"""``clip-emotion evaluate``: how well the words agree with what people said."""

from __future__ import annotations

import contextlib
import json
from dataclasses import replace
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING

import typer
from rich.table import Table

from clip_emotion.cli.common import chosen_words, progress_bar, say, stdout, write_atomic
from clip_emotion.cli.face_options import Boxes, Face, FaceMode, Finder, MinFace, NoFace, WithoutFace, face_options
from clip_emotion.errors import UsageError

if TYPE_CHECKING:
    from clip_emotion.evaluation.result import ClassTable, Evaluation

SHOWN_ERRORS = 10


class Format(StrEnum):
    """How the result is printed."""

    table = "table"
    json = "json"


def evaluate(
    data: str = typer.Option(..., help="Image folder or .zip of class folders, .csv or .tsv[.gz], or a prepared set."),
    split: str | None = typer.Option(None, help="Split to evaluate; validation, test or the only one by default."),
    vocab: str | None = typer.Option(None, help="Vocabulary: a shipped name or a .yaml or .txt file."),
    labels: str | None = typer.Option(None, help="Comma list of words instead of a vocabulary."),
    model: str = typer.Option("mini", help="mini, an open_clip name/tag, or a local checkpoint."),
    lang: str = typer.Option("auto", help="Language of the label words: auto, ko or en."),
    families: bool = typer.Option(False, "--families", help="Also agreement by family of basic emotions."),
    output: Format = typer.Option(Format.table, "--format", help="How to print the result on stdout."),
    report: Path | None = typer.Option(None, help="Folder for the page, its figures and metrics.json."),
    train_data: str | None = typer.Option(None, help="Training data: accuracy apart for pictures that stand in it."),
    face: FaceMode = Face.auto,
    finder: Finder = "mtcnn",
    min_face: MinFace = 0.06,
    no_face: WithoutFace = NoFace.whole,
    boxes: Boxes = None,
    batch_size: int = typer.Option(64, min=1, help="Pictures a batch."),
    workers: int = typer.Option(2, min=1, help="Threads that read pictures."),
    device: str = typer.Option("auto", help="auto, cpu, cuda or mps."),
    limit: int | None = typer.Option(None, min=1, help="Draw so many rows at random."),
    rows: str | None = typer.Option(None, help="Slice of the rows, such as -1000: for the last thousand."),
    text_column: str | None = typer.Option(None, help="Column of the texts."),
    label_column: str | None = typer.Option(None, help="Column of the labels."),
    threshold: float | None = typer.Option(None, min=0, max=1, help="Probability from which a text carries a label."),
    seed: int = typer.Option(0, help="Seed of the confidence interval and of --limit."),
) -> None:
    """Evaluate an encoder on labelled pictures or texts: accuracy, top-5, macro F1, calibration and chance lines."""
    vocabulary = chosen_words(labels, vocab)
    if vocabulary is None:
        raise UsageError("Give the words with --vocab or --labels: for example --vocab basic7.")

    from clip_emotion.models.registry import load_encoder
    from clip_emotion.retrieval.evaluation.evaluate import EvaluationOptions, evaluate_rows
    from clip_emotion.retrieval.evaluation.labelled import RowSelection, open_labelled, open_training, parse_slice
    from clip_emotion.retrieval.labelling.labeller import choose_language, unread_words
    from clip_emotion.retrieval.labelling.stream import StreamConfig

    parse_slice(rows)
    stream = StreamConfig(face_options(face, finder, min_face, no_face, boxes), batch_size, workers)
    encoder = load_encoder(model, device)
    language = choose_language(encoder, vocabulary, lang)
    for notice in unread_words(encoder, vocabulary, language):
        say(notice)
    selection = RowSelection(split, rows, limit, seed, text_column, label_column, lang)
    options = EvaluationOptions(language, families, threshold, seed, stream)
    with contextlib.ExitStack() as stack:
        labelled = stack.enter_context(open_labelled(data, selection))
        training = None if train_data is None else stack.enter_context(open_training(train_data)).images
        advance = stack.enter_context(progress_bar("evaluating", total=len(labelled.images) + len(labelled.texts)))
        result = evaluate_rows(encoder, labelled, vocabulary, replace(options, progress=advance), training)
    _print(result, output)
    if report is not None:
        _write_report(result, report)
    if result.errors:
        _tell_errors(result)
        raise typer.Exit(1)


def _print(result: Evaluation, output: Format) -> None:
    from clip_emotion.evaluation.result import finite

    if output is Format.json:
        print(json.dumps(finite(result.to_dict()), ensure_ascii=False, indent=2))
        return
    table = Table(title=f"{result.data} ({result.split}) · {result.vocabulary} ({result.language}) · {result.model}")
    table.add_column("what")
    table.add_column("value")
    for what, value in result.summary():
        table.add_row(what, value)
    console = stdout()
    console.print(table)
    for classes in result.tables():
        console.print(_class_table(classes))


def _class_table(classes: ClassTable) -> Table:
    # The report has room for all columns, a terminal for one of words after the numbers.
    shown = classes.numbers + 2
    table = Table(title=classes.title)
    for place, column in enumerate(classes.columns[:shown]):
        table.add_column(column, justify="right" if 0 < place <= classes.numbers else "left")
    for row in classes.rows:
        table.add_row(*row[:shown])
    return table


def _write_report(result: Evaluation, folder: Path) -> None:
    from clip_emotion.evaluation.report import report_files

    for name, content in report_files(result).items():
        write_atomic(folder / name, content)
    say(f"Report: {folder / 'index.html'}")


def _tell_errors(result: Evaluation) -> None:
    for error in result.errors[:SHOWN_ERRORS]:
        say(error)
    more = len(result.errors) - SHOWN_ERRORS
    say(f"{len(result.errors)} row(s) could not be used" + (f", {more} of them not shown." if more > 0 else "."))
