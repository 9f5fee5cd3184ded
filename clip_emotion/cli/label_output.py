"""Where the rows of ``label`` go: a screen, a pipe or a file, and a contact sheet."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from clip_emotion.cli.label_table import TableWriter
from clip_emotion.outputs import WriteOptions, mark_folder

if TYPE_CHECKING:
    from clip_emotion.data.images import ImageSource
    from clip_emotion.retrieval.labelling.labeller import ZeroShotLabeller
    from clip_emotion.retrieval.labelling.row_files import RowWriter
    from clip_emotion.retrieval.labelling.rows import RunCard
    from clip_emotion.types import Prediction
    from clip_emotion.vocabulary import Vocabulary

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
class Thumbnails:
    """How a sheet's pictures are read."""

    workers: int
    max_pixels: int


@dataclass(frozen=True)
class LabelOutput:
    """The rows of one labeller on their way out; ``face`` are the face settings as rows show them."""

    labeller: ZeroShotLabeller
    top: int
    face: str
    thumbnails: Thumbnails

    @property
    def many_rows(self) -> bool:
        """Whether a picture may have several rows."""
        return self.face.split("/")[0] == "each"

    @contextmanager
    def sink(self, output: Output) -> Iterator[tuple[RowWriter | TableWriter, Sequence[Prediction]]]:
        """Hand out what writes rows, and the rows of the run that is continued."""
        from clip_emotion.retrieval.labelling.row_files import RowWriter, Target, open_target
        from clip_emotion.retrieval.labelling.rows import PIPED_ROW_FORMATS

        if output.format == "table":
            yield TableWriter(self.labeller.vocabulary.names(self.labeller.language), self.glosses()), []
        elif output.path is None:
            row_format = PIPED_ROW_FORMATS[output.format]
            writer = RowWriter(typer.get_binary_stream("stdout"), row_format, self.card())
            writer.start()
            yield writer, []
        else:
            target = Target(output.path, output.format, output.writing.resume, self.many_rows)
            with open_target(target, self.card()) as (rows, done):
                yield rows, done.predictions

    def card(self) -> RunCard:
        """Return what the rows have in common."""
        from clip_emotion.retrieval.labelling.cards import run_card

        return run_card(self.labeller, self.top, self.face)

    def glosses(self) -> dict[str, str]:
        """Return the labels' names in the other language, where they have one."""
        shown, other = ("ko", "en") if self.labeller.language == "ko" else ("en", "ko")
        labels = self.labeller.vocabulary.labels
        return {entry.key: entry.names.get(other, "") for entry in labels if shown in entry.names}

    def write_report(
        self, folder: Path, predictions: Sequence[Prediction], sources: Mapping[str, ImageSource], pictures: int
    ) -> Path:
        """Write a contact sheet of rows and return its first page; ``sources`` finds a row's picture by its path."""
        from clip_emotion.retrieval.labelling.contact_sheet import SheetConfig, sheet_subtitles, write_contact_sheet

        encoder, vocabulary = self.labeller.encoder, self.labeller.vocabulary
        title, korean_title = sheet_titles(vocabulary, pictures)
        subtitle, korean_subtitle = sheet_subtitles(vocabulary, encoder)
        config = SheetConfig(
            title=title,
            korean_title=korean_title,
            subtitle=subtitle,
            korean_subtitle=korean_subtitle,
            language=self.labeller.language,
            faces=self.many_rows,
            glosses=self.glosses(),
            workers=self.thumbnails.workers,
            max_pixels=self.thumbnails.max_pixels,
        )
        page = write_contact_sheet(folder, predictions, sources, config)
        mark_folder(folder, SHEET)
        return page


def sheet_titles(vocabulary: Vocabulary, images: int) -> tuple[str, str]:
    """Return a sheet's title in English and Korean: its first words, and how many words and images there are."""
    count = len(vocabulary)
    english, korean = (", ".join(vocabulary.names(language)[:TITLE_WORDS]) for language in ("en", "ko"))
    if count > TITLE_WORDS:
        english, korean = f"{english} … ({count} words)", f"{korean} … (단어 {count}개)"
    pictures = f"{images:,} {'picture' if images == 1 else 'pictures'}"
    return f"{english} · {pictures}", f"{korean} · 사진 {images:,}장"
