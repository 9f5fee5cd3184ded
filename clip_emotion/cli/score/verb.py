"""``clip-emotion score``: scores conversations turn by turn and as a whole."""

from __future__ import annotations

import functools
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from clip_emotion.cli import options
from clip_emotion.cli.common import chosen_words
from clip_emotion.cli.options import Device, Language
from clip_emotion.cli.score.inputs import STDIN, InputRequirements, find_inputs, read_inputs
from clip_emotion.cli.score.models import MINI, is_small, load_scorer
from clip_emotion.cli.score.run import ScoreOutput, ScoreRun
from clip_emotion.cli.score.settings import read_settings
from clip_emotion.errors import UsageError

if TYPE_CHECKING:
    from scoring.config import ScoreConfig
    from scoring.loading import ScorerOptions


class EmotionSource(StrEnum):
    """What a turn's emotion is judged by."""

    auto = "auto"
    text = "text"
    kobert = "kobert"
    image = "image"
    given = "given"


class RecencyName(StrEnum):
    """How much more a late turn counts."""

    linear = "linear"
    uniform = "uniform"
    exponential = "exponential"
    peak_end = "peak-end"


class ScoreFormat(StrEnum):
    """How scores are written."""

    table = "table"
    json = "json"
    jsonl = "jsonl"
    csv = "csv"


def score(
    files: list[str] = typer.Argument(None, help="Chat exports (.txt .csv .tsv .jsonl), folders, or - for stdin."),
    emotions: EmotionSource = typer.Option(EmotionSource.auto, "--emotions", help="What turns are judged by."),
    vocab: str = options.vocab("kote44"),
    labels: str = options.LABELS,
    recency: RecencyName = typer.Option(None, "--recency", help="How much more late turns count [default: linear]."),
    half_life: str = typer.Option(None, "--half-life", help="For exponential: 10 turns, or 30m, 2h, 1d [default: 10]."),
    speaker: list[str] = typer.Option(None, "--speaker", help="Only this speaker's turns; may be repeated."),
    output_format: ScoreFormat = typer.Option(None, "--format", help="[default: by --out's suffix, else table]"),
    out: Path = options.out_file("the scores"),
    report: Path = options.report("a page with curves and turns"),
    follow: bool = typer.Option(False, "--follow", help="Score a growing file (or stdin) live; Ctrl-C ends it."),
    config: Path = typer.Option(None, "--config", help="A YAML file such as configs/score/default.yaml."),
    model: str = typer.Option(MINI, "--model", help="Encoder for texts and pictures: mini, or as in label."),
    kobert: Path = typer.Option(None, "--kobert", help="KoBERT with its KOTE head, as train writes it."),
    embedder: str = typer.Option(None, "--embedder", help="What weighs the labels [default: mini]; kobert, …"),
    lang: Language = options.LANG,
    anonymise: bool = typer.Option(False, "--anonymise", help="Replace names on the way in."),
    layout: str = typer.Option("auto", "--layout", help="The files' layout, where it is not recognised."),
    device: Device = options.DEVICE,
) -> None:
    """Score how warm conversations are: each turn, each speaker, where the mood turned, and the whole.

    A score lies between -1 and +1; recent turns count more. CSV files begin with a BOM, so that Excel shows Hangul;
    on stdout there is none. Exit code: 0 all scored, 1 some failed, 2 misuse.
    """
    output = _settle_output(output_format, out, report, live=follow)
    settings = read_settings(config, recency, half_life, embedder)
    inputs = find_inputs(files or [])
    if follow and len(inputs) != 1:
        raise UsageError(f"--follow watches one file, not {len(inputs)}.")
    from clip_emotion.resources import cache_dir
    from scoring.loading import ScorerOptions, check_options
    from scoring.readers import ReadOptions
    from scoring.readers.layouts import check_layout

    check_layout(layout)
    words, cache = chosen_words(labels, vocab), cache_dir() / "vocabularies"
    choice = ScorerOptions(emotions, words, model, kobert, lang, device, cache)
    check_options(choice, settings)
    read, given = ReadOptions(layout, anonymise), emotions is EmotionSource.given
    requirements = InputRequirements(read, tuple(speaker or ()), given)
    if follow:
        _follow(inputs[0], choice, settings, requirements, output.format)
        return
    readings = read_inputs(inputs, requirements)
    models = functools.cache(functools.partial(load_scorer, choice, settings))
    if ScoreRun(readings, len(inputs), models, requirements.speakers).run(output):
        raise typer.Exit(1)


def _follow(
    place: str, choice: ScorerOptions, settings: ScoreConfig, requirements: InputRequirements, form: str
) -> None:
    from clip_emotion.cli.score.live import LiveSession, check_place

    check_place(place)
    scorer = load_scorer(choice, settings)
    LiveSession(place, scorer, requirements.options, scorer.labels, requirements.speakers, is_small(choice)).run(form)


def _settle_output(chosen: str | None, path: Path | None, report: Path | None, *, live: bool) -> ScoreOutput:
    """Settle format and file; raises UsageError for combinations that cannot be."""
    path = None if path == Path(STDIN) else path
    suffix = path.suffix.lower().lstrip(".") if path else ""
    form = chosen or (suffix if suffix in ("json", "jsonl", "csv") else ScoreFormat.table.value)
    if live and form == ScoreFormat.json.value:
        raise UsageError("--follow writes turn by turn: choose --format jsonl, csv or table.")
    if live and (path is not None or report is not None):
        raise UsageError("--follow writes to the screen as turns come: leave out --out and --report, or redirect it.")
    if path is not None and form == ScoreFormat.table.value:
        raise UsageError(f"A table goes to the screen: for {path} choose --format json, jsonl or csv.")
    if path is not None and path.is_dir():
        raise UsageError(f"{path} is a folder: give --out a file name in it.")
    if report is not None and report.exists() and not report.is_dir():
        raise UsageError(f"{report} is a file: give --report a folder.")
    return ScoreOutput(form, path, report)
