"""Which labelled images the verbs of ``export`` take: rows of ``label`` or a store's faces, and people's words."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from clip_emotion.cli import options
from clip_emotion.cli.common import chosen_words, say, say_errors
from clip_emotion.errors import UsageError
from clip_emotion.files import expanded

if TYPE_CHECKING:
    from collections.abc import Iterable

    from clip_emotion.retrieval.exports.records import LabelledImage
    from clip_emotion.retrieval.labelling.labeller import ZeroShotLabeller
    from clip_emotion.retrieval.store.embedding_store import EmbeddingStore
    from clip_emotion.vocabulary import Vocabulary


class Only(StrEnum):
    """Which faces go out."""

    all = "all"
    confirmed = "confirmed"


Rows = Annotated[Path | None, typer.Argument(help="Rows as label wrote them: a .jsonl, .csv or .parquet file.")]
Store = Annotated[
    Path | None, typer.Option("--store", help="The faces of a store that embed filled, in place of rows.")
]
Labels = Annotated[
    str | None, typer.Option("--labels", help="Words for a store's faces; others that people may choose.")
]
Vocab = Annotated[str | None, typer.Option("--vocab", help="The same, as a vocabulary's name or file.")]
Top = Annotated[int, typer.Option("--top", min=1, help="Words a face of a store gets.")]
Lang = Annotated[options.Language, typer.Option("--lang", help="The language of the words.")]
Images = Annotated[Path | None, typer.Option("--images", help="Where relative paths of rows begin [default: here].")]
Judgements = Annotated[
    Path | None, typer.Option("--judgements", help="People's words: judgements.csv of import, or a table like it.")
]
OnlyFaces = Annotated[Only, typer.Option("--only", help="confirmed: faces for which most people said one word.")]


@dataclass(frozen=True)
class SourceArguments:
    """Which labelled images go out, as the command line says it."""

    rows: Rows = None
    store: Store = None
    labels: Labels = None
    vocab: Vocab = None
    top: Top = 5
    lang: Lang = options.Language.auto
    images: Images = None
    judgements: Judgements = None
    only: OnlyFaces = Only.all

    def inputs(self) -> tuple[Path, ...]:
        """Return the files that no output may replace."""
        files = (self.rows, self.store, self.judgements, None if self.vocab is None else Path(self.vocab))
        return tuple(file for file in files if file is not None)

    def words(self) -> dict[str, str]:
        """Return the words that were asked for, by key, with the names to show."""
        vocabulary = chosen_words(self.labels, self.vocab)
        if vocabulary is None:
            return {}
        language = "en" if self.lang is options.Language.en else "ko"
        return dict(zip(vocabulary.keys, vocabulary.names(language), strict=True))

    @contextmanager
    def opened(self) -> Iterator[Iterable[LabelledImage]]:
        """Hand out the images; raises UsageError unless there are either rows or a store."""
        if (self.rows is None) == (self.store is None):
            raise UsageError("Name either a file of rows that label wrote, or --store with a store that embed filled.")
        if self.store is not None:
            with _stored(self, self.store) as images:
                yield self._judged(images)
        elif self.rows is not None:
            from clip_emotion.retrieval.exports.rows import read_label_rows

            yield self._judged(read_label_rows(expanded(self.rows), self.images))

    def _judged(self, images: Iterable[LabelledImage]) -> Iterable[LabelledImage]:
        if self.judgements is None:
            return images
        from clip_emotion.retrieval.exports.records import KnownWords
        from clip_emotion.retrieval.imports.matching import matched
        from clip_emotion.retrieval.imports.table import read_table

        found, words = list(images), KnownWords(self.words().items())
        for image in found:
            words.add_faces(image.faces)
        returned = read_table(expanded(self.judgements))
        judged, errors = matched(found, returned.corrections, words)
        say_errors([*returned.errors, *errors])
        return judged


@contextmanager
def _stored(asked: SourceArguments, store: Path) -> Iterator[Iterable[LabelledImage]]:
    if asked.images is not None:
        raise UsageError("--images and --store do not go together, since a store knows where its images lie.")
    from clip_emotion.retrieval.exports.stored import stored_images
    from clip_emotion.retrieval.store.embedding_store import EmbeddingStore

    words = chosen_words(asked.labels, asked.vocab)
    with EmbeddingStore.open(store) as opened:
        labeller = None if words is None else _labeller(opened, words, asked.lang)
        yield stored_images(opened, labeller, asked.top if words is None else min(asked.top, len(words)))


def _labeller(store: EmbeddingStore, words: Vocabulary, language: str) -> ZeroShotLabeller:
    from clip_emotion.models import registry
    from clip_emotion.resources import cache_dir
    from clip_emotion.retrieval.labelling.labeller import ZeroShotLabeller

    encoder = registry.load_encoder(store.card.model, "auto")
    labeller = ZeroShotLabeller(encoder, words, language, cache=cache_dir() / "vocabularies")
    for notice in labeller.notices:
        say(f"Note: {notice}")
    return labeller


def counted(number: int, what: str) -> str:
    """Return a number with what it counts: 1 face, 2 faces."""
    return f"{number:,} {what}{'' if number == 1 else 's'}"
