"""``clip-emotion score``: conversations in, turn by turn and as a whole how warm they are out."""

from __future__ import annotations

import functools
import re
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from clip_emotion.cli.common import chosen_words, say
from clip_emotion.cli.label import Device, Language
from clip_emotion.cli.score.inputs import Wanted, read_inputs
from clip_emotion.cli.score.run import Job, Output, Watched
from clip_emotion.errors import UsageError

if TYPE_CHECKING:
    from clip_emotion.vocabulary import Vocabulary
    from scoring.affection.scorer import AffectionScorer
    from scoring.config import ScoreConfig

STDIN = "-"
MINI = "mini"
SUFFIXES = (".txt", ".csv", ".tsv", ".jsonl")
_HALF_LIFE = re.compile(r"(\d+(?:\.\d+)?|\.\d+)\s*([mhd]?)", re.IGNORECASE)
_MINUTES = {"m": 1.0, "h": 60.0, "d": 1440.0}


class Emotions(StrEnum):
    """What a turn's emotion is judged by."""

    auto = "auto"
    text = "text"
    kobert = "kobert"
    image = "image"
    given = "given"


class Recency(StrEnum):
    """How much more a late turn counts."""

    linear = "linear"
    uniform = "uniform"
    exponential = "exponential"
    peak_end = "peak-end"


class Format(StrEnum):
    """How scores are written."""

    table = "table"
    json = "json"
    jsonl = "jsonl"
    csv = "csv"


def score(
    files: list[str] = typer.Argument(None, help="Chat exports (.txt .csv .tsv .jsonl), folders, or - for stdin."),
    emotions: Emotions = typer.Option(Emotions.auto, "--emotions", help="What a turn's emotion is judged by."),
    vocab: str = typer.Option(None, "--vocab", help="A vocabulary's name or file [default: kote44]."),
    labels: str = typer.Option(None, "--labels", help='Your own words: "설렘,당황,비장함".'),
    recency: Recency = typer.Option(None, "--recency", help="How much more late turns count [default: linear]."),
    half_life: str = typer.Option(None, "--half-life", help="For exponential: 10 turns, or 30m, 2h, 1d [default: 10]."),
    speaker: list[str] = typer.Option(None, "--speaker", help="Only this speaker's turns; may be repeated."),
    output_format: Format = typer.Option(None, "--format", help="[default: by --to's suffix, else table]"),
    to: Path = typer.Option(None, "--to", "--out", help="Write the scores to this file, whole or not at all."),
    report: Path = typer.Option(None, "--report", help="Write a page with curves and turns into this folder."),
    follow: bool = typer.Option(False, "--follow", help="Score a growing file (or stdin) live; Ctrl-C ends it."),
    config: Path = typer.Option(None, "--config", help="A YAML file such as configs/score/default.yaml."),
    model: str = typer.Option(MINI, "--model", help="Encoder for texts and pictures: mini, or as in label."),
    kobert: Path = typer.Option(None, "--kobert", help="KoBERT with its KOTE head, as train writes it."),
    embedder: str = typer.Option(None, "--embedder", help="What weighs the labels [default: mini]; kobert, …"),
    lang: Language = typer.Option(Language.auto, "--lang", help="The language of the label words."),
    anonymise: bool = typer.Option(False, "--anonymise", help="Replace names on the way in."),
    layout: str = typer.Option("auto", "--layout", help="The files' layout, where it is not recognised."),
    device: Device = typer.Option(Device.auto, "--device", help="Where the models run."),
) -> None:
    """Score how warm conversations are: each turn, each speaker, where the mood turned, and the whole.

    A score lies between -1 and +1; recent turns count more. CSV files begin with a BOM, so that Excel shows Hangul;
    on stdout there is none. Exit code: 0 all scored, 1 some failed, 2 misuse.
    """
    output = _settle_output(output_format.value if output_format else None, to, report, live=follow)
    settings = _settings(config, recency.value if recency else None, half_life, embedder)
    inputs = find_inputs(files or [])
    if follow and len(inputs) != 1:
        raise UsageError(f"--follow watches one file, not {len(inputs)}.")
    from scoring.readers import ReadOptions
    from scoring.readers.layouts import check_layout

    check_layout(layout)
    choice = Choice(emotions.value, chosen_words(labels, vocab), model, kobert, lang.value, device.value)
    choice.check(settings)
    wanted = Wanted(ReadOptions(layout, anonymise), tuple(speaker or ()), given=emotions is Emotions.given)
    if follow:
        _follow(inputs[0], choice, settings, wanted, output.format)
        return
    readings = read_inputs(inputs, wanted)
    models = functools.cache(functools.partial(load_scorer, choice, settings))
    if Job(readings, len(inputs), models, wanted.speakers).run(output):
        raise typer.Exit(1)


def _follow(place: str, choice: Choice, settings: ScoreConfig, wanted: Wanted, form: str) -> None:
    from clip_emotion.cli.score.live import Live, check_place

    check_place(place)
    scorer, watched = load_scorer(choice, settings)
    names = watched.vocabulary.names(choice.shown_language)
    shown = dict(zip(watched.vocabulary.keys, names, strict=True))
    Live(place, scorer, wanted.options, shown, wanted.speakers, choice.is_small).run(form)


def _settle_output(chosen: str | None, path: Path | None, report: Path | None, *, live: bool) -> Output:
    """Settle format and file; raises UsageError for combinations that cannot be."""
    path = None if path == Path(STDIN) else path
    suffix = path.suffix.lower().lstrip(".") if path else ""
    form = chosen or (suffix if suffix in ("json", "jsonl", "csv") else Format.table.value)
    if live and form == Format.json.value:
        raise UsageError("--follow writes turn by turn: choose --format jsonl, csv or table.")
    if live and (path is not None or report is not None):
        raise UsageError("--follow writes to the screen as turns come: leave out --to and --report, or redirect it.")
    if path is not None and form == Format.table.value:
        raise UsageError(f"A table goes to the screen: for {path} choose --format json, jsonl or csv.")
    if path is not None and path.is_dir():
        raise UsageError(f"{path} is a folder: give --to a file name in it.")
    if report is not None and report.exists() and not report.is_dir():
        raise UsageError(f"{report} is a file: give --report a folder.")
    return Output(form, path, report)


def _settings(path: Path | None, recency: str | None, half_life: str | None, embedder: str | None) -> ScoreConfig:
    """Read the configuration and put the command line's choices over it; raises UsageError for every fault."""
    from scoring.config import load_settings

    config = load_settings(path, embedder)
    changes: dict[str, Any] = {} if recency is None else {"kind": recency}
    if half_life is not None:
        changes["half_life"], changes["unit"] = parse_half_life(half_life)
    config = config.model_copy(update={"recency": config.recency.model_copy(update=changes)})
    if half_life is not None and config.recency.kind != Recency.exponential.value:
        say(f"Note: --half-life counts only with --recency exponential, here it is {config.recency.kind}.")
    return config


def parse_half_life(text: str) -> tuple[float, str]:
    """Return ``10`` as turns, ``30m``, ``2h`` and ``1d`` as minutes, with the unit; raises UsageError for others."""
    found = _HALF_LIFE.fullmatch(text.strip())
    if found and float(found[1]) == 0:
        raise UsageError(f"--half-life '{text}' must be above 0: give a number of turns such as 10, or 30m, 2h, 1d.")
    if not found:
        raise UsageError(f"--half-life '{text}' is no time: give a number of turns such as 10, or 30m, 2h, 1d.")
    value, unit = float(found[1]), found[2].lower()
    return (value * _MINUTES[unit], "minutes") if unit else (value, "turns")


def find_inputs(given: Sequence[str]) -> list[str]:
    """Return the files that the arguments name, folders and globs spelt out; raises UsageError where there are none."""
    found: list[str] = []
    for name in given:
        path = Path(name)
        if name != STDIN and path.is_dir():
            inside = sorted(str(file) for file in path.iterdir() if file.suffix.lower() in SUFFIXES)
            if not inside:
                raise UsageError(f"{path} holds no conversations: a file's name ends in {', '.join(SUFFIXES)}.")
            found += inside
        elif name != STDIN and not path.exists() and any(sign in name for sign in "*?["):
            matches = sorted(map(str, Path(path.anchor).glob(str(path.relative_to(path.anchor)))))
            found += matches or [name]
        else:
            found.append(name)
    if not found:
        raise UsageError("Give at least one conversation: clip-emotion score chat.txt, or - for standard input.")
    if found.count(STDIN) > 1:
        raise UsageError("Standard input can be read only once: give - once.")
    return list(dict.fromkeys(found))


@dataclass(frozen=True)
class Choice:
    """By what turns are judged: the maker, the words (None for the configuration's), its models and where they run."""

    emotions: str
    words: Vocabulary | None
    model: str
    kobert: Path | None
    lang: str
    device: str

    @property
    def is_small(self) -> bool:
        """Whether a turn is judged by the bundled mini, in about a millisecond."""
        return self.model == MINI and self.kobert is None

    @property
    def shown_language(self) -> str:
        """The language of the shown names: Korean unless English was asked for."""
        return "en" if self.lang == Language.en.value else "ko"

    def check(self, config: ScoreConfig) -> None:
        """Raise UsageError for what cannot be, as far as that is known without loading a model."""
        from scoring.embedders import embedder_loader
        from scoring.emotions.base import NO_HEAD

        if self.emotions == Emotions.kobert.value and self.kobert is None:
            raise UsageError(NO_HEAD)
        embedder_loader(config.weights.embedder)


def load_scorer(choice: Choice, config: ScoreConfig) -> tuple[AffectionScorer, Watched]:
    """Load the models of a choice, and tell their notices; the watched emotion is the one that the scorer asks."""
    from clip_emotion.resources import cache_dir
    from clip_emotion.vocabulary import Vocabulary
    from scoring.affection.scorer import AffectionScorer
    from scoring.affection.weights import affection_weights
    from scoring.embedders import load_embedder
    from scoring.emotions.makers import EmotionOptions, load_emotion

    options = EmotionOptions(
        vocabulary=choice.words or Vocabulary.load(config.vocabulary),
        model=choice.model,
        lang=choice.lang,
        device=choice.device,
        fusion=config.fusion,
        kobert=choice.kobert,
        cache=cache_dir() / "vocabularies",
    )
    emotion = Watched(load_emotion(choice.emotions, options))
    for notice in emotion.notices:
        say(f"Note: {notice}")
    embedder = load_embedder(config.weights.embedder, choice.device)
    weights = affection_weights(emotion.vocabulary, embedder, config.weights, choice.lang)
    return AffectionScorer(emotion, weights, config, choice.shown_language), emotion
