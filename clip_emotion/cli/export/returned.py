"""``clip-emotion import``: what people said of exported images comes back, and stands beside what the model said."""

from __future__ import annotations

import json
from enum import StrEnum
from math import isnan
from pathlib import Path
from typing import TYPE_CHECKING

import typer
from rich.table import Column, Table

from clip_emotion.cli import options
from clip_emotion.cli.common import chosen_words, progress_bar, say, say_errors, stdout
from clip_emotion.cli.export.sources import counted
from clip_emotion.cli.tables import uncut
from clip_emotion.files import expanded
from clip_emotion.outputs import WriteOptions

if TYPE_CHECKING:
    from clip_emotion.evaluation.agreement import Kappa
    from clip_emotion.retrieval.imports.comparing import Comparison

TITLE = "Agreement of people and model (Cohen's kappa)"
NUMBERS = ("kappa", "95 % interval", "people", "model")


class AgreementFormat(StrEnum):
    """How agreement is printed."""

    table = "table"
    json = "json"


def import_words(
    file: Path = typer.Argument(..., help="Label Studio's JSON or JSON-MIN, or a CSV of path,label and more."),
    rows: Path = typer.Option(None, "--rows", help="The model's words: rows as label wrote them."),
    images: Path = typer.Option(None, "--images", help="Where the images lie; no other is read [default: as named]."),
    out: Path = options.out_folder("examples, images in classes, judgements and agreement"),
    labels: str = options.LABELS,
    vocab: str = options.vocab("the words of the rows"),
    output: AgreementFormat = typer.Option(AgreementFormat.table, "--format", help="How to print the agreement."),
    overwrite: bool = options.OVERWRITE,
) -> None:
    """Bring back what people said of images, for adapt, train and evaluate, and tell how far they agree with the model.

    Exit code: 0 all words used, 1 some could not be used, 2 misuse.
    """
    from clip_emotion.data.replacing import claim
    from clip_emotion.retrieval.exports.options import ExportOptions
    from clip_emotion.retrieval.imports.comparing import compare
    from clip_emotion.retrieval.imports.importing import judged_images
    from clip_emotion.retrieval.imports.writing import KIND, write_corrections

    out = expanded(out)
    inputs = tuple(path for path in (file, rows) if path is not None)
    writing = WriteOptions(overwrite)
    claim(out, KIND, writing, inputs)
    base = None if rows is None else expanded(rows)
    judged = judged_images(expanded(file), base, images, chosen_words(labels, vocab))
    compared = compare(judged.images)
    with progress_bar("Writing", len(judged.images)) as advance:
        options = ExportOptions(words=judged.words.names, output=writing, inputs=inputs, progress=advance)
        written = write_corrections(judged.images, compared, out, options)
    errors = [*judged.errors, *written.errors]
    say_errors(errors)
    if output is AgreementFormat.json:
        print(json.dumps(compared.to_dict(), ensure_ascii=False, indent=2))
    else:
        _show(compared)
    _tell(compared, written.faces, out)
    if errors:
        raise typer.Exit(1)


def _show(compared: Comparison) -> None:
    if compared.model is None:
        say("No judged face has a word of the model, so there is no agreement to tell: name its rows with --rows.")
    else:
        table = Table("word", *(Column(name, justify="right", no_wrap=True) for name in NUMBERS), title=TITLE)
        whole = compared.model.overall
        table.add_row("all words", *_numbers(whole), f"{whole.rows:,}", f"{whole.rows:,}", end_section=True)
        for one in compared.model.words:
            table.add_row(one.word, *_numbers(one.kappa), f"{one.first:,}", f"{one.second:,}")
        stdout().print(uncut(table))
    for pair in compared.pairs:
        kappa = pair.agreement.overall
        first, second = pair.first or "somebody", pair.second or "somebody"
        say(f"{first} and {second}: kappa {' ('.join(_numbers(kappa))}), {counted(kappa.rows, 'face')}.")


def _numbers(kappa: Kappa) -> list[str]:
    return [_number(kappa.kappa), f"{_number(kappa.low)} to {_number(kappa.high)}"]


def _number(value: float) -> str:
    return "–" if isnan(value) else f"{value:.3f}"


def _tell(compared: Comparison, faces: int, out: Path) -> None:
    people = "1 person" if compared.people == 1 else f"{compared.people} people"
    divided = f"; people are divided on {compared.divided}, which are left out" if compared.divided else ""
    say(f"{counted(compared.faces, 'face')} judged by {people}{divided}.")
    written = counted(faces, "face")
    say(f"{out}: {written}. Go on with clip-emotion adapt --examples {out / 'examples.csv'} --out OWN, or with")
    say(f"clip-emotion evaluate --data {out / 'faces' / 'metadata.csv'}; to export with these words, add")
    say(f"--judgements {out / 'judgements.csv'}.")
