"""``clip-emotion evaluate``: how well the words agree with what people said."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from enum import StrEnum
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table

from clip_emotion.cli import options
from clip_emotion.cli.adapting.options import AdaptedWords, adapted_words
from clip_emotion.cli.common import progress_bar, say, stdout, write_atomic
from clip_emotion.cli.face_options import FaceArguments
from clip_emotion.cli.grouped import grouped
from clip_emotion.cli.running import RunningArguments
from clip_emotion.cli.store.beside import model_beside_store
from clip_emotion.cli.tables import class_table, uncut
from clip_emotion.errors import UsageError
from clip_emotion.outputs import WriteOptions, claim_folder, mark_folder

if TYPE_CHECKING:
    from clip_emotion.data.faces.options import FaceOptions
    from clip_emotion.evaluation.groups import GroupBy
    from clip_emotion.evaluation.result import Evaluation
    from clip_emotion.models.base import ImageTextEncoder
    from clip_emotion.retrieval.evaluation.classes import ClassRules
    from clip_emotion.retrieval.evaluation.evaluate import EvaluationOptions
    from clip_emotion.retrieval.evaluation.selection import RowSelection
    from clip_emotion.retrieval.labelling.stream import StreamConfig

SHOWN_ERRORS = 10
REPORT = "evaluation report"


class EvaluationFormat(StrEnum):
    """How the result is printed."""

    table = "table"
    json = "json"


Limit = Annotated[int | None, typer.Option("--limit", min=1, help="Draw so many rows at random.")]
Rows = Annotated[str | None, typer.Option("--rows", help="Slice of the rows, such as -1000: for the last thousand.")]
TextColumn = Annotated[str | None, typer.Option("--text-column", help="Column of the texts.")]
LabelColumn = Annotated[str | None, typer.Option("--label-column", help="Column of the labels.")]
By = Annotated[
    list[str] | None,
    typer.Option(metavar="COLUMN", help="Measure each group of a column apart; COLUMN:25,40 cuts numbers into bands."),
]
Metadata = Annotated[Path | None, typer.Option("--metadata", help="Table of path and columns for --by, --filter.")]
Filter = Annotated[
    str | None, typer.Option("--filter", metavar="CONDITION", help='Only rows such as "age>=20 and age<40".')
]


@dataclass(frozen=True)
class RowArguments:
    """Which rows and columns of the data are meant."""

    limit: Limit = None
    rows: Rows = None
    text_column: TextColumn = None
    label_column: LabelColumn = None

    def selection(self, about: RowSelection) -> RowSelection:
        """Return a selection with these rows and columns; raises UsageError for what is no slice."""
        return replace(
            about, rows=self.rows, limit=self.limit, text_column=self.text_column, label_column=self.label_column
        )


Format = Annotated[EvaluationFormat, typer.Option("--format", help="How to print the result.")]
Report = Annotated[
    Path | None, typer.Option("--report", help="Write the page, its plots and metrics.json into this folder.")
]
Overwrite = Annotated[bool, typer.Option("--overwrite", help="Replace an output that is there already.")]


@dataclass(frozen=True)
class OutputArguments:
    """How the result is told, and where the report goes."""

    output: Format = EvaluationFormat.table
    report: Report = None
    overwrite: Overwrite = False

    def claim(self, data: str) -> None:
        """See that the report may be written; raises UsageError where it would replace something unasked."""
        if self.report is not None:
            claim_folder(self.report, REPORT, WriteOptions(self.overwrite), inputs=[Path(data)])


@dataclass(frozen=True)
class GroupArguments:
    """Which groups of rows are measured, and which of them apart."""

    by: By = None
    filter: Filter = None
    metadata: Metadata = None

    def read(self) -> tuple[GroupBy, ...]:
        """Return the groups; raises UsageError for what is no column."""
        from clip_emotion.evaluation.groups import GroupBy

        return tuple(map(GroupBy.read, self.by or ()))

    def selection(self, chosen: RowSelection, by: tuple[GroupBy, ...]) -> RowSelection:
        """Return a selection with the columns and rows of these groups; raises UsageError for what is no filter."""
        from clip_emotion.data.row_filter import parse_filter

        return chosen.knowing(by, self.metadata, parse_filter(self.filter) if self.filter is not None else None)


@grouped
def evaluate(
    context: typer.Context,
    *,
    data: str = typer.Option(..., help="Image folder or .zip of class folders, .csv or .tsv[.gz], or a prepared set."),
    split: str | None = options.SPLIT,
    vocab: str | None = options.vocab("the model's own"),
    labels: str | None = options.LABELS,
    model: str = options.MODEL,
    store: Path | None = options.STORE_INSTEAD,
    adapter: Path | None = options.ADAPTER,
    prior_correction: options.Prior | None = options.PRIOR,
    lang: options.Language = options.LANG,
    families: bool = typer.Option(False, "--families", help="Also agreement by family of basic emotions."),
    told: OutputArguments,
    train_data: str | None = typer.Option(None, help="Training data: accuracy apart for pictures that stand in it."),
    leave_out: list[str] = typer.Option([], "--leave-out", metavar="CLASS", help="Rows of this class do not count."),
    class_map: Path | None = typer.Option(None, "--map", help="YAML that maps classes of the data to labels."),
    groups: GroupArguments,
    faces: FaceArguments,
    batch_size: int = options.batch_size(64),
    workers: int = options.WORKERS,
    device: options.Device = options.DEVICE,
    running: RunningArguments,
    chosen: RowArguments,
    threshold: float | None = typer.Option(None, min=0, max=1, help="Probability from which a text carries a label."),
    seed: int = options.seed("the confidence interval and --limit"),
) -> None:
    """Evaluate an encoder on labelled pictures or texts: accuracy, top-5, macro F1, calibration and chance lines.

    Exit code: 0 every row counted, 1 some could not be used, 2 misuse.
    """
    words = adapted_words(adapter, labels, vocab, prior_correction)
    told.claim(data)
    from clip_emotion.retrieval.evaluation.evaluate import EvaluationOptions
    from clip_emotion.retrieval.evaluation.selection import RowSelection

    by = groups.read()
    settings = EvaluationOptions(lang, families, threshold, seed, classes=_rules(class_map, leave_out), by=by)
    selection = groups.selection(chosen.selection(RowSelection(split, seed=seed, language=lang)), by)
    sources = Sources(data, train_data, selection)
    if store is None:
        stream = _stream(faces.options(), batch_size, workers)
        result = _evaluate(sources, running.load(model, device), words, replace(settings, stream=stream))
    else:
        load = partial(running.load, device=device)
        result = _evaluate_store(store, sources, (model_beside_store(context, model), load), words, settings)
    _tell(result, told.output, told.report)


@dataclass(frozen=True)
class Sources:
    """What is evaluated on, and what the model may have been trained on."""

    data: str
    train_data: str | None
    selection: RowSelection


def _rules(class_map: Path | None, leave_out: list[str]) -> ClassRules:
    from clip_emotion.retrieval.evaluation.classes import ClassRules

    return ClassRules.read(class_map, leave_out) if class_map else ClassRules(left_out=tuple(leave_out))


def _stream(faces: FaceOptions, batch_size: int, workers: int) -> StreamConfig:
    from clip_emotion.retrieval.labelling.stream import StreamConfig

    return StreamConfig(faces, batch_size, workers)


def _evaluate(
    sources: Sources, encoder: ImageTextEncoder, words: AdaptedWords, settings: EvaluationOptions
) -> Evaluation:
    from clip_emotion.models.registry import own_vocabulary
    from clip_emotion.retrieval.evaluation.evaluate import evaluate_rows
    from clip_emotion.retrieval.evaluation.labelled import open_labelled, open_training
    from clip_emotion.retrieval.labelling.languages import choose_language
    from clip_emotion.retrieval.labelling.notices import word_notices

    settings = words.applied(settings)
    vocabulary = words.vocabulary or own_vocabulary(encoder)
    if vocabulary is None:
        raise UsageError("Give the words with --vocab or --labels: for example --vocab basic7.")
    for notice in word_notices(encoder, vocabulary, choose_language(encoder, vocabulary, settings.language)):
        say(f"Note: {notice}")
    with contextlib.ExitStack() as stack:
        rows = stack.enter_context(open_labelled(sources.data, sources.selection))
        training = None
        if sources.train_data is not None:
            training = stack.enter_context(open_training(sources.train_data)).images
        advance = stack.enter_context(progress_bar("evaluating", total=len(rows.images) + len(rows.texts)))
        return evaluate_rows(encoder, rows, vocabulary, replace(settings, progress=advance), training)


def _evaluate_store(
    store: Path,
    sources: Sources,
    model: tuple[str | None, Callable[[str], ImageTextEncoder]],
    words: AdaptedWords,
    settings: EvaluationOptions,
) -> Evaluation:
    """Evaluate the embeddings of a store; ``model`` is what the user wrote, else the store's own, and what loads it."""
    from clip_emotion.retrieval.store.embedding_store import EmbeddingStore
    from clip_emotion.retrieval.store.evaluation import StoredRows

    with EmbeddingStore.open(store) as opened:
        encoder = model[1](model[0] or opened.card.model)
        return _evaluate(sources, encoder, words, replace(settings, embed_rows=StoredRows(opened)))


def _tell(result: Evaluation, output: EvaluationFormat, report: Path | None) -> None:
    _print(result, output)
    if report is not None:
        _write_report(result, report)
    if result.errors:
        _tell_errors(result)
        raise typer.Exit(1)


def _print(result: Evaluation, output: EvaluationFormat) -> None:
    from clip_emotion.evaluation.result import finite

    if output is EvaluationFormat.json:
        print(json.dumps(finite(result.to_dict()), ensure_ascii=False, indent=2))
        return
    table = Table(title=f"{result.data} ({result.split}) · {result.vocabulary} ({result.language}) · {result.model}")
    table.add_column("what")
    table.add_column("value")
    for what, value in result.summary():
        table.add_row(what, value)
    console = stdout()
    console.print(uncut(table))
    for classes in result.tables():
        console.print(class_table(classes))


def _write_report(result: Evaluation, folder: Path) -> None:
    from clip_emotion.evaluation.report import report_files

    for name, content in report_files(result).items():
        write_atomic(folder / name, content)
    mark_folder(folder, REPORT)
    say(f"Report: {folder / 'index.html'}")


def _tell_errors(result: Evaluation) -> None:
    for error in result.errors[:SHOWN_ERRORS]:
        say(error)
    more = len(result.errors) - SHOWN_ERRORS
    say(f"{len(result.errors)} row(s) could not be used" + (f", {more} of them not shown." if more > 0 else "."))
    if result.unknown_classes:
        counts = ", ".join(f"{name} ({count:,})" for name, count in result.unknown_classes.items())
        say(
            f"Classes that '{result.vocabulary}' does not have: {counts}. Leave them out with --leave-out CLASS, or "
            "say with --map FILE.yaml which labels they mean."
        )
