"""One run of ``label`` over pictures: its rows, its contact sheet, and what is told of it."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from clip_emotion.cli.common import progress_bar, say
from clip_emotion.cli.label_output import LabelOutput, Output

if TYPE_CHECKING:
    from clip_emotion.data.images import ImageSource
    from clip_emotion.retrieval.engines.base import Engine
    from clip_emotion.types import Prediction


@dataclass(frozen=True)
class LabelRun:
    """One labelling run: these images, this engine, this way out."""

    sources: Sequence[ImageSource]
    engine: Engine
    rows: LabelOutput

    def run(self, output: Output) -> int:
        """Label all images, write rows and report, and return how many rows failed."""
        from clip_emotion.retrieval.labelling.row_files import place_of
        from clip_emotion.retrieval.labelling.rows import is_faceless

        started = time.perf_counter()
        reported: list[Prediction] = []
        rows = faceless = 0
        with self.rows.sink(output) as (writer, done):
            if output.report:
                reported.extend(done)
            failed = sum(prediction.error is not None for prediction in done)
            faceless = sum(map(is_faceless, done))
            finished = {place_of(prediction.path) for prediction in done}
            images = [source for source in self.sources if place_of(source.name) not in finished]
            for prediction in self._predictions(images, quiet=output.path is None and sys.stdout.isatty()):
                writer.write(prediction)
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

    def _predictions(self, images: Sequence[ImageSource], *, quiet: bool) -> Iterator[Prediction]:
        """Yield the rows behind a progress bar, unless the rows themselves run over the same screen."""
        with nullcontext(_no_bar) if quiet else progress_bar("Labelling", len(images)) as advance:
            before: str | None = None
            for prediction in self.engine.label(images, self.rows.labeller, self.rows.top):
                if prediction.path != before:
                    advance(1)
                before = prediction.path
                yield prediction

    def _write_report(self, folder: Path, predictions: Sequence[Prediction]) -> Path:
        from clip_emotion.retrieval.labelling.row_files import place_of

        places = {place_of(source.name): source for source in self.sources}
        sources = {row.path: places[place] for row in predictions if (place := place_of(row.path)) in places}
        return self.rows.write_report(folder, predictions, sources, len(self.sources))


def _summary(images: int, rows: int, failed: int, seconds: float, before: int) -> str:
    what = f"{images} {'picture' if images == 1 else 'pictures'}"
    extra = f" ({rows} rows)" if rows != images else ""
    again = f", {before} done before" if before else ""
    return f"{what}{extra} in {seconds:.1f} s, {images / max(seconds, 1e-9):.1f} a second{again}; {failed} failed."


def _no_bar(steps: int) -> None:
    """Stand in for a progress bar."""
