"""``clip-emotion label``: pictures and words in, ranked words out."""

from __future__ import annotations

import sys
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from clip_emotion.cli.common import chosen_words, progress_bar, say
from clip_emotion.cli.label_table import TableWriter
from clip_emotion.errors import UsageError

if TYPE_CHECKING:
    from clip_emotion.data.images import ImageSource
    from clip_emotion.retrieval.labelling.labeller import ZeroShotLabeller
    from clip_emotion.retrieval.labelling.rows import RunCard
    from clip_emotion.retrieval.labelling.stream import StreamConfig
    from clip_emotion.types import Prediction
    from clip_emotion.vocabulary import Vocabulary

DEFAULT_VOCABULARY = "kote44"


class Language(StrEnum):
    """The language of the shown names."""

    auto = "auto"
    ko = "ko"
    en = "en"


class Face(StrEnum):
    """Which part of an image is labelled."""

    auto = "auto"
    none = "none"
    each = "each"


class Format(StrEnum):
    """How rows are written."""

    table = "table"
    jsonl = "jsonl"
    csv = "csv"
    parquet = "parquet"


class Device(StrEnum):
    """Where the model runs."""

    auto = "auto"
    cpu = "cpu"
    cuda = "cuda"
    mps = "mps"


@dataclass(frozen=True)
class Output:
    """Where the rows go, settled before any work begins."""

    format: str
    path: Path | None
    resume: bool
    report: Path | None


def label(
    paths: list[str] = typer.Argument(None, help="Files, folders, globs, or - for a list on standard input."),
    labels: str = typer.Option(None, "--labels", help='Your own words: "설렘,당황,비장함".'),
    vocab: str = typer.Option(None, "--vocab", help=f"A vocabulary's name or file [default: {DEFAULT_VOCABULARY}]."),
    top: int = typer.Option(5, "--top", min=1, help="How many words a row lists."),
    model: str = typer.Option("mini", "--model", help="mini, an open_clip name/tag, a checkpoint or folder."),
    lang: Language = typer.Option(Language.auto, "--lang", help="The language of the words."),
    face: Face = typer.Option(Face.auto, "--face", help="The largest face, the whole picture, or a row per face."),
    output_format: Format = typer.Option(None, "--format", help="[default: by --out's suffix, else table]"),
    out: Path = typer.Option(None, "--out", help="Write the rows to this file."),
    batch_size: int = typer.Option(32, "--batch-size", min=1, help="Pictures the model sees at once."),
    workers: int = typer.Option(2, "--workers", min=1, help="Threads that read pictures."),
    device: Device = typer.Option(Device.auto, "--device", help="Where the model runs."),
    resume: bool = typer.Option(False, "--resume", help="Continue a stopped run that wrote to --out."),
    report: Path = typer.Option(None, "--report", help="Write an HTML contact sheet into this folder."),
    max_pixels: int = typer.Option(100_000_000, "--max-pixels", min=1, help="Refuse pictures with more pixels."),
) -> None:
    """Rank emotion words for pictures of faces.

    Exit code: 0 all pictures labelled, 1 some failed, 2 misuse.
    """
    output = _settle_output(output_format.value if output_format else None, out, resume, report)
    from clip_emotion.data.images import allow_pixels, find_images
    from clip_emotion.retrieval.labelling.stream import StreamConfig
    from clip_emotion.vocabulary import Vocabulary

    words = chosen_words(labels, vocab) or Vocabulary.load(DEFAULT_VOCABULARY)
    sources = find_images(paths or [], typer.get_binary_stream("stdin"))
    allow_pixels(max_pixels)
    # A picture's oddities that matter are in its row; Pillow's remarks on the others are for nobody.
    warnings.filterwarnings("ignore", module="PIL")
    labeller = _labeller(model, words, lang.value, device.value)
    config = StreamConfig(face=face.value, batch_size=batch_size, workers=workers, max_pixels=max_pixels)
    run = LabelRun(sources, labeller, config, min(top, len(words)))
    if run.run(output):
        raise typer.Exit(1)


def _settle_output(chosen: str | None, out: Path | None, resume: bool, report: Path | None) -> Output:
    """Settle format and file; raises UsageError for combinations that cannot be."""
    out = None if out == Path("-") else out
    suffix = out.suffix.lower().lstrip(".") if out else ""
    form = chosen or (suffix if suffix in ("jsonl", "csv", "parquet") else Format.table.value)
    if out is not None and form == Format.table.value:
        raise UsageError(f"A table goes to the screen: for {out} choose --format jsonl, csv or parquet.")
    if form == Format.parquet.value and out is None:
        raise UsageError("Parquet needs a file: add --out FILE.parquet.")
    if resume and out is None:
        raise UsageError("--resume continues a file: add --out with the stopped run's file.")
    if out is not None and out.is_dir():
        raise UsageError(f"{out} is a folder: give --out a file name in it.")
    if report is not None and report.exists() and not report.is_dir():
        raise UsageError(f"{report} is a file: give --report a folder.")
    return Output(form, out, resume, report)


def _labeller(model: str, words: Vocabulary, lang: str, device: str) -> ZeroShotLabeller:
    from clip_emotion.models import registry
    from clip_emotion.resources import cache_dir
    from clip_emotion.retrieval.labelling.labeller import ZeroShotLabeller

    encoder = registry.load_encoder(model, device)
    labeller = ZeroShotLabeller(encoder, words, lang, cache=cache_dir() / "vocabularies")
    for notice in labeller.notices:
        say(f"Note: {notice}")
    return labeller


@dataclass(frozen=True)
class LabelRun:
    """One labelling run: these images, this labeller, these settings."""

    sources: Sequence[ImageSource]
    labeller: ZeroShotLabeller
    config: StreamConfig
    top: int

    def run(self, output: Output) -> int:
        """Label all images, write rows and report, and return how many rows failed."""
        started = time.perf_counter()
        reported: list[Prediction] = []
        rows = 0
        with self._sink(output) as (write, done):
            if output.report:
                reported.extend(done)
            failed = sum(prediction.error is not None for prediction in done)
            finished = {prediction.path for prediction in done}
            images = [source for source in self.sources if source.name not in finished]
            for prediction in self._predictions(images, quiet=output.path is None and sys.stdout.isatty()):
                write(prediction)
                rows += 1
                failed += prediction.error is not None
                if output.report:
                    reported.append(prediction)
        if output.report:
            say(f"Contact sheet: {self._write_report(output.report, reported)}")
        say(_summary(len(images), rows, failed, time.perf_counter() - started, len(finished)))
        return failed

    @contextmanager
    def _sink(self, output: Output) -> Iterator[tuple[Callable[[Prediction], None], Sequence[Prediction]]]:
        """Hand out a function that writes a row, and the rows of the run that is continued."""
        from clip_emotion.retrieval.labelling.row_files import RowWriter, Target, open_target
        from clip_emotion.retrieval.labelling.rows import PIPED_ROW_FORMATS

        if output.format == Format.table.value:
            yield TableWriter(self.labeller.vocabulary.names(self.labeller.language), self._glosses()).write, []
        elif output.path is None:
            row_format = PIPED_ROW_FORMATS[output.format]
            writer = RowWriter(typer.get_binary_stream("stdout"), row_format, self._card())
            writer.start()
            yield writer.write, []
        else:
            many_rows = self.config.face == Face.each.value
            target = Target(output.path, output.format, output.resume, many_rows)
            with open_target(target, self._card()) as (writer, done):
                yield writer.write, done.predictions

    def _card(self) -> RunCard:
        from clip_emotion.retrieval.labelling.rows import RunCard

        settings = {
            "lang": self.labeller.language,
            "face": self.config.face,
            "words": self.labeller.index.card.prompts[:12],
        }
        return RunCard(self.labeller.encoder.fingerprint, self.labeller.vocabulary.name, self.top, settings)

    def _predictions(self, images: Sequence[ImageSource], *, quiet: bool) -> Iterator[Prediction]:
        """Yield the rows behind a progress bar, unless the rows themselves run over the same screen."""
        with nullcontext(_no_bar) if quiet else progress_bar("Labelling", len(images)) as advance:
            before: str | None = None
            for prediction in self.labeller.stream(images, self.top, self.config):
                if prediction.path != before:
                    advance(1)
                before = prediction.path
                yield prediction

    def _glosses(self) -> dict[str, str]:
        """Return the labels' names in the other language, where they have one."""
        shown, other = ("ko", "en") if self.labeller.language == "ko" else ("en", "ko")
        labels = self.labeller.vocabulary.labels
        return {entry.key: entry.names.get(other, "") for entry in labels if shown in entry.names}

    def _write_report(self, folder: Path, predictions: Sequence[Prediction]) -> Path:
        from clip_emotion.retrieval.labelling.contact_sheet import SheetConfig, write_contact_sheet

        encoder, vocabulary = self.labeller.encoder, self.labeller.vocabulary
        config = SheetConfig(
            title=f"{vocabulary.name} · {len(self.sources)} {'picture' if len(self.sources) == 1 else 'pictures'}",
            subtitle=f"{encoder.name} {encoder.fingerprint[:17]}, {len(vocabulary)} words",
            glosses=self._glosses(),
            workers=self.config.workers,
            max_pixels=self.config.max_pixels,
        )
        return write_contact_sheet(folder, predictions, {source.name: source for source in self.sources}, config)


def _summary(images: int, rows: int, failed: int, seconds: float, before: int) -> str:
    what = f"{images} {'picture' if images == 1 else 'pictures'}"
    extra = f" ({rows} rows)" if rows != images else ""
    again = f", {before} done before" if before else ""
    return f"{what}{extra} in {seconds:.1f} s, {images / max(seconds, 1e-9):.1f} a second{again}; {failed} failed."


def _no_bar(steps: int) -> None:
    """Stand in for a progress bar."""
