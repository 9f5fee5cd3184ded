"""``clip-emotion score``: scores conversations turn by turn and as a whole."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from clip_emotion.cli import options
from clip_emotion.cli.common import chosen_words
from clip_emotion.cli.options import Device, Language
from clip_emotion.cli.score.destination import ScoreOutput, settle_days, settle_format
from clip_emotion.cli.score.inputs import InputRequirements, find_inputs, read_inputs
from clip_emotion.cli.score.models import MINI, is_small, load_scorer
from clip_emotion.cli.score.run import ScoreRun
from clip_emotion.cli.score.settings import read_settings
from clip_emotion.errors import UsageError

if TYPE_CHECKING:
    from clip_emotion.vocabulary import Vocabulary
    from scoring.affection.scorer import AffectionScorer
    from scoring.config import ScoreConfig
    from scoring.loading import ScorerOptions
    from scoring.readers import ReadOptions


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


class Period(StrEnum):
    """What scores over time are taken by."""

    day = "day"
    week = "week"
    month = "month"


class DateOrder(StrEnum):
    """The order of a date's numbers: day, month and year."""

    dmy = "dmy"
    mdy = "mdy"
    ymd = "ymd"


class SummaryFormat(StrEnum):
    """How scores in short are written."""

    csv = "csv"


class ScoreFormat(StrEnum):
    """How scores are written."""

    table = "table"
    json = "json"
    jsonl = "jsonl"
    csv = "csv"


def score(
    files: list[str] = typer.Argument(
        None, help="Chat exports (.txt .csv .tsv .json .jsonl .xml .zip .eml), folders, or -."
    ),
    emotions: EmotionSource = typer.Option(EmotionSource.auto, "--emotions", help="What turns are judged by."),
    vocab: str = options.vocab("kote44"),
    labels: str = options.LABELS,
    recency: RecencyName = typer.Option(None, "--recency", help="How much more late turns count [default: linear]."),
    half_life: str = typer.Option(None, "--half-life", help="For exponential: 10 turns, or 30m, 2h, 1d [default: 10]."),
    speaker: list[str] = typer.Option(None, "--speaker", help="Only this speaker's turns; may be repeated."),
    output_format: ScoreFormat = typer.Option(None, "--format", help="[default: by --out's suffix, else table]"),
    out: Path = typer.Option(None, "--out", help="Write the scores to this file; an existing one stays."),
    summary: SummaryFormat = typer.Option(None, "--summary", help="A row a conversation and speaker, no turns."),
    probabilities: bool = typer.Option(False, "--probabilities", help="Add a column p_… a label to --format csv."),
    by: Period = typer.Option(None, "--by", help="Also scores by day, week or month."),
    first_day: str = typer.Option(None, "--from", help="The first day that is scored, such as 2026-01-05."),
    last_day: str = typer.Option(None, "--to", help="The last day that is scored."),
    join: bool = typer.Option(False, "--join", help="The files are parts of one chat: score them as one."),
    overwrite: bool = options.OVERWRITE,
    report: Path = options.report("a page with curves and turns"),
    follow: bool = typer.Option(False, "--follow", help="Score a growing file (or stdin) live; Ctrl-C ends it."),
    config: Path = options.CONFIG,
    model: str = typer.Option(MINI, "--model", help="Encoder for texts and pictures: mini, or as in label."),
    kobert: Path = options.KOBERT,
    embedder: str = options.embedder("the configuration's"),
    lang: Language = options.LANG,
    anonymise: bool = typer.Option(False, "--anonymise", help="Mask names in all that is shown."),
    layout: str = typer.Option("auto", "--layout", help="The files' layout, where it is not recognised."),
    date_order: DateOrder = typer.Option(None, "--date-order", help="Which of a date's numbers is the day (3/4/26)."),
    device: Device = options.DEVICE,
) -> None:
    """Score how warm conversations are: each turn, each speaker, where the mood turned, and the whole.

    A score lies between -1 and +1; recent turns count more. CSV files begin with a BOM, so that Excel shows Hangul;
    on stdout there is none. Exit code: 0 all scored, 1 some failed, 2 misuse.
    """
    days, path = settle_days(first_day, last_day, out)
    form = settle_format(output_format, path, summary=summary is not None)
    output = ScoreOutput(form, path, report, summary is not None, probabilities, by)
    output.check(live=follow)
    settings = read_settings(config, recency, half_life, embedder)
    inputs = find_inputs(files or [])
    output.claim(inputs, overwrite=overwrite)
    choice = _choice(emotions, chosen_words(labels, vocab), model, kobert, lang, device, settings)
    given = emotions is EmotionSource.given
    reading = InputRequirements(_read_options(layout, date_order), days, tuple(speaker or ()), given, join, anonymise)
    if follow:
        _follow(inputs, choice, settings, reading, form)
    elif _score(inputs, reading, functools.cache(lambda: load_scorer(choice, settings)), output):
        raise typer.Exit(1)


def _score(
    inputs: Sequence[str],
    reading: InputRequirements,
    models: Callable[[], AffectionScorer],
    output: ScoreOutput,
) -> int:
    """Read and score all inputs, and return how many could not be scored."""
    found = read_inputs(inputs, reading)
    return ScoreRun(found, len(found) if reading.join else len(inputs), models, bool(reading.speakers)).run(output)


def _read_options(layout: str, date_order: DateOrder | None) -> ReadOptions:
    from scoring.readers import ReadOptions

    reading = ReadOptions(layout, date_order.value if date_order else None)
    reading.check()
    return reading


def _choice(
    emotions: str,
    words: Vocabulary | None,
    model: str,
    kobert: Path | None,
    lang: str,
    device: str,
    settings: ScoreConfig,
) -> ScorerOptions:
    """Return the options of the scorer, checked as far as they are without loading a model."""
    from clip_emotion.resources import cache_dir
    from scoring.loading import ScorerOptions, check_options

    choice = ScorerOptions(emotions, words, model, kobert, lang, device, cache_dir() / "vocabularies")
    check_options(choice, settings)
    return choice


def _follow(
    inputs: Sequence[str], choice: ScorerOptions, settings: ScoreConfig, reading: InputRequirements, form: str
) -> None:
    from clip_emotion.cli.score.live import LiveSession, check_place
    from scoring.readers.dates import DateRange

    if len(inputs) != 1:
        raise UsageError(f"--follow watches one file, not {len(inputs)}.")
    if reading.join or reading.days != DateRange():
        raise UsageError("--follow takes turns as they come: leave out --join, --from and --to.")
    reading.options.check(live=True)
    check_place(inputs[0])
    scorer = load_scorer(choice, settings)
    LiveSession(inputs[0], scorer, reading, is_small(choice)).run(form)
