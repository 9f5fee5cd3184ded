"""One run of ``label``: its rows to a screen, a pipe or a file, its contact sheet, and what is told of it."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from clip_emotion.cli.common import progress_bar, say
from clip_emotion.cli.label_table import TableWriter
from clip_emotion.outputs import WriteOptions, mark_folder

if TYPE_CHECKING:
    from clip_emotion.data.images import ImageSource
    from clip_emotion.retrieval.labelling.labeller import ZeroShotLabeller
    from clip_emotion.retrieval.labelling.rows import RunCard
    from clip_emotion.retrieval.labelling.stream import StreamConfig
    from clip_emotion.types import Prediction

SHEET = "contact sheet"
TITLE_WORDS = 6


@dataclass(frozen=True)
class Output:
    """Where the rows go, settled before any work begins."""

    format: str
    path: Path | None
    report: Path | None
    writing: WriteOptions


@dataclass(frozen=True)
class LabelRun:
    """One labelling run: these images, this labeller, these settings."""

    sources: Sequence[ImageSource]
    labeller: ZeroShotLabeller
    config: StreamConfig
    top: int

    def run(self, output: Output) -> int:
        """Label all images, write rows and report, and return how many rows failed."""
        from clip_emotion.retrieval.labelling.row_files import place_of
        from clip_emotion.retrieval.labelling.rows import is_faceless

        started = time.perf_counter()
        reported: list[Prediction] = []
        rows = faceless = 0
        with self._sink(output) as (write, done):
            if output.report:
                reported.extend(done)
            failed = sum(prediction.error is not None for prediction in done)
            faceless = sum(map(is_faceless, done))
            finished = {place_of(prediction.path) for prediction in done}
            images = [source for source in self.sources if place_of(source.name) not in finished]
            for prediction in self._predictions(images, quiet=output.path is None and sys.stdout.isatty()):
                write(prediction)
                rows += 1
                failed += prediction.error is not None
                faceless += is_faceless(prediction)
                if output.report:
                    reported.append(prediction)
        if output.report:
            say(f"Contact sheet: {self._write_report(output.report, reported)}")
        if faceless:
            total = len({prediction.path for prediction in done} | {source.name for source in images})
            say(f"{faceless} of {total} without a face: their words mean little (--face require gives them none).")
        say(_summary(len(images), rows, failed, time.perf_counter() - started, len(finished)))
        return failed

    @contextmanager
    def _sink(self, output: Output) -> Iterator[tuple[Callable[[Prediction], None], Sequence[Prediction]]]:
        """Hand out a function that writes a row, and the rows of the run that is continued."""
        from clip_emotion.retrieval.labelling.row_files import RowWriter, Target, open_target
        from clip_emotion.retrieval.labelling.rows import PIPED_ROW_FORMATS

        if output.format == "table":
            yield TableWriter(self.labeller.vocabulary.names(self.labeller.language), self._glosses()).write, []
        elif output.path is None:
            row_format = PIPED_ROW_FORMATS[output.format]
            writer = RowWriter(typer.get_binary_stream("stdout"), row_format, self._card())
            writer.start()
            yield writer.write, []
        else:
            many_rows = self.config.faces.mode == "each"
            target = Target(output.path, output.format, output.writing.resume, many_rows)
            with open_target(target, self._card()) as (writer, done):
                yield writer.write, done.predictions

    def _card(self) -> RunCard:
        from clip_emotion.retrieval.labelling.rows import RunCard

        settings = {
            "lang": self.labeller.language,
            "face": self.config.faces.written(),
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
        from clip_emotion.retrieval.labelling.row_files import place_of

        encoder, vocabulary = self.labeller.encoder, self.labeller.vocabulary
        title, korean_title = sheet_titles(vocabulary.names(self.labeller.language), len(self.sources))
        config = SheetConfig(
            title=title,
            korean_title=korean_title,
            subtitle=f"{vocabulary.name}, {encoder.name} {encoder.fingerprint[:17]}",
            language=self.labeller.language,
            faces=self.config.faces.mode == "each",
            glosses=self._glosses(),
            workers=self.config.workers,
            max_pixels=self.config.max_pixels,
        )
        places = {place_of(source.name): source for source in self.sources}
        sources = {row.path: places[place] for row in predictions if (place := place_of(row.path)) in places}
        page = write_contact_sheet(folder, predictions, sources, config)
        mark_folder(folder, SHEET)
        return page


def sheet_titles(words: Sequence[str], images: int) -> tuple[str, str]:
    """Return a sheet's title in English and Korean: its first words, and how many words and images there are."""
    shown, more = ", ".join(words[:TITLE_WORDS]), len(words) > TITLE_WORDS
    english = f" … ({len(words)} words)" if more else ""
    korean = f" … (단어 {len(words)}개)" if more else ""
    pictures = f"{images:,} {'picture' if images == 1 else 'pictures'}"
    return f"{shown}{english} · {pictures}", f"{shown}{korean} · 사진 {images:,}장"


def _summary(images: int, rows: int, failed: int, seconds: float, before: int) -> str:
    what = f"{images} {'picture' if images == 1 else 'pictures'}"
    extra = f" ({rows} rows)" if rows != images else ""
    again = f", {before} done before" if before else ""
    return f"{what}{extra} in {seconds:.1f} s, {images / max(seconds, 1e-9):.1f} a second{again}; {failed} failed."


def _no_bar(steps: int) -> None:
    """Stand in for a progress bar."""
