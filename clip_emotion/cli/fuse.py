"""``clip-emotion fuse``: an image feature and its caption's text feature, joined by a trained head."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from clip_emotion.cli.common import progress_bar, say, stdout
from clip_emotion.cli.options import OVERWRITE
from clip_emotion.cli.tables import uncut
from clip_emotion.errors import UsageError
from clip_emotion.outputs import WriteOptions, held

if TYPE_CHECKING:
    from clip_emotion.data.replacing import FolderKind
    from clip_emotion.evaluation.fusion_report import FusionReport
    from clip_emotion.training.fusion.config import FuseConfig
    from clip_emotion.training.fusion.fuse import Fused


def fuse(
    arguments: list[str] = typer.Argument(..., metavar="CONFIG [key=value …]", help="A YAML file, then overrides."),
    overwrite: bool = OVERWRITE,
    check: bool = typer.Option(False, "--check", help="See that settings, models and data are right; make nothing."),
) -> None:
    """Caption labelled images, join image and text features by trained heads, and measure what the captions add.

    Captions and features are kept, so that a run that was cut off goes on, and another head takes seconds. The result
    is a folder: the model that did best on images kept for tuning, which --model takes, and report.html.

    Example: clip-emotion fuse configs/fuse/fer2013_words.yaml captions.top=3
    """
    config = _read(arguments)
    if check:
        _check(config)
        return
    from clip_emotion.data.replacing import OUT, claim, replacing
    from clip_emotion.evaluation.fusion_report import fusion_files
    from clip_emotion.files import expanded
    from clip_emotion.training.fusion.fuse import fuse as run
    from clip_emotion.training.fusion.reporting import report_of, save

    out, kind, options = expanded(config.out), _kind(), WriteOptions(overwrite)
    claim(out, kind, options, config.models())
    say(f"Fusing into {out} (Ctrl-C keeps captions and features; the same command goes on).")
    with held(out):
        found = run(config, progress_bar, say)
        report = report_of(config, found)
        with replacing(out, kind, options, config.models()) as work:
            save(config, found, work / OUT)
            for name, content in fusion_files(report).items():
                (work / OUT / name).write_bytes(content)
    _print(report, found)
    say(f"Report: {out / 'report.html'}. The model: use it with --model {shlex.quote(str(out))}")
    say(f"Captions, to be read and edited: {config.caption_file}")


def _read(arguments: list[str]) -> FuseConfig:
    from clip_emotion.config import load_config
    from clip_emotion.training.fusion.config import FuseConfig

    paths = [Path(argument) for argument in arguments if "=" not in argument]
    if len(paths) != 1 or not paths[0].is_file():
        named = ", ".join(map(str, paths)) or "none given"
        raise UsageError(f"Give one configuration that is there, not: {named} (see the folder configs/fuse).")
    return load_config(FuseConfig, paths[0], [argument for argument in arguments if "=" in argument])


def _check(config: FuseConfig) -> None:
    from clip_emotion.errors import DataError
    from clip_emotion.training.fusion.fuse import open_parts
    from clip_emotion.vocabulary import Vocabulary

    Vocabulary.load(config.vocabulary)
    faults = [fault for source in config.data.raw().values() if (fault := source.fault())]
    if faults:
        raise DataError(" ".join(faults))
    parts = open_parts(config)
    say(f"Ready: {len(config.trainings())} head(s), {len(config.seeds)} seed(s), captions by {parts.captioner.model}.")


def _kind() -> FolderKind:
    from clip_emotion.data.replacing import FolderKind
    from clip_emotion.evaluation.fusion_report import FILES
    from clip_emotion.models.fusion.saving import files_of

    return FolderKind("fused model", lambda folder: files_of(folder) | FILES)


def _print(report: FusionReport, found: Fused) -> None:
    from rich.table import Table

    shown = report.tables()[0]
    table = Table(title=f"{report.title} · {shown.title}")
    for place, column in enumerate(shown.columns):
        table.add_column(column, justify="right" if 0 < place <= shown.numbers else "left")
    for row in shown.rows:
        table.add_row(*(f"{row[0]} *" if row[0] == found.kept else row[0], *row[1:]))
    stdout().print(uncut(table))
    say("* the head that was kept: the best on the images kept for tuning. p is McNemar's, of both against the image.")
    quality = report.quality
    say(
        f"Captions: {quality.named:.1%} name the right class, {quality.first:.1%} before any other class, "
        f"{quality.nothing:.1%} name none."
    )
