"""``clip-emotion search``: the faces of a store that look as words say, or as another face looks."""

from __future__ import annotations

import json
import time
from contextlib import nullcontext
from enum import StrEnum
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from clip_emotion import outputs
from clip_emotion.cli import options
from clip_emotion.cli.common import check_lines_file, printable, say, stdout, write_atomic
from clip_emotion.cli.grouped import grouped
from clip_emotion.cli.label_output import SHEET
from clip_emotion.cli.running import RunningArguments
from clip_emotion.errors import UsageError
from clip_emotion.text import has_hangul

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from clip_emotion.models.base import ImageTextEncoder
    from clip_emotion.retrieval.store.search import Hit, Wanted

MODEL = typer.Option(None, "--model", help="[default: the one that filled the store]")


class HitsFormat(StrEnum):
    """How faces are listed."""

    table = "table"
    jsonl = "jsonl"


@grouped
def search(
    *,
    text: str | None = typer.Argument(None, help='How the faces look: "비장한 얼굴".'),
    store: Path = typer.Option(..., "--store", help="The store that embed filled."),
    like: list[str] = typer.Option([], "--like", metavar="PICTURE", help="As the largest face of this picture looks."),
    unlike: list[str] = typer.Option([], "--not", metavar="TEXT", help="And not so: ranks such faces lower."),
    top: int = typer.Option(50, "--top", min=1, help="How many faces to list."),
    min_similarity: float | None = typer.Option(None, min=-1, max=1, help="Leave out faces of a lower similarity."),
    dimensions: bool = options.DIMENSIONS,
    model: str | None = MODEL,
    lang: options.Language = options.LANG,
    output_format: HitsFormat | None = typer.Option(None, "--format", help="[default: jsonl with --out, else table]"),
    out: Path | None = options.out_file("the rows as JSON lines"),
    overwrite: bool = options.OVERWRITE,
    report: Path | None = options.report("an HTML contact sheet"),
    device: options.Device = options.DEVICE,
    running: RunningArguments,
    max_pixels: int = options.MAX_PIXELS,
) -> None:
    """Find the faces of a store that look as words say, or as another face looks, the most similar first.

    Exit code: 0 searched, 1 the store or a picture cannot be used, 2 misuse.
    """
    from clip_emotion.data.image_limits import allow_pixels
    from clip_emotion.retrieval.store.search import Wanted

    if not all(word.strip() for word in unlike):
        raise UsageError('--not names no words: say how faces are not to look, for example --not "a smile".')
    out = None if out == Path("-") else out
    wanted = Wanted([text] if text and text.strip() else [], like, unlike, top, min_similarity)
    check_lines_file(out, output_format)
    claims = outputs.WriteOptions(overwrite)
    inputs = [store, *map(Path, like)]
    if out is not None:
        outputs.claim_file(out, claims, inputs=inputs)
    if report is not None:
        outputs.claim_folder(report, SHEET, claims, inputs=inputs)
    allow_pixels(max_pixels)
    with outputs.held(out) if out is not None else nullcontext():
        hits, encoder = _search(store, wanted, model, lang, partial(running.load, device=device))
        hits = _placed(hits, encoder) if dimensions else hits
        as_table = out is None and output_format is not HitsFormat.jsonl
        _show(hits) if as_table else _write(hits, wanted, encoder, out)
    if report is not None:
        _write_report(report, hits, wanted, encoder)


def _search(
    store: Path, wanted: Wanted, model: str | None, lang: str, load: Callable[[str], ImageTextEncoder]
) -> tuple[list[Hit], ImageTextEncoder]:
    from clip_emotion.retrieval.labelling.languages import choose_language
    from clip_emotion.retrieval.labelling.notices import reading_notices
    from clip_emotion.retrieval.store.embedding_store import EmbeddingStore
    from clip_emotion.retrieval.store.index_choice import choose_index
    from clip_emotion.retrieval.store.search import Query
    from clip_emotion.retrieval.store.search import search as search_store
    from clip_emotion.vocabulary import Vocabulary

    with EmbeddingStore.open(store) as opened:
        encoder = load(model or opened.card.model)
        words = [*wanted.texts, *wanted.unlike]
        if words:
            vocabulary = Vocabulary.from_words(words)
            for notice in reading_notices(encoder, vocabulary, choose_language(encoder, vocabulary, lang)):
                say(f"Note: {notice}")
        started = time.perf_counter()
        query = Query.of(wanted, opened, encoder, lang)
        choice = choose_index(opened.count_files())
        hits = search_store(opened, query, wanted.top, wanted.min_similarity, choice.kind)
        seconds = time.perf_counter() - started
    faces = "1 face" if len(hits) == 1 else f"{len(hits):,} faces"
    say(f"{faces} in {seconds:.2f} s, by {choice.kind}: {choice.reason}.")
    return hits, encoder


def _placed(hits: Sequence[Hit], encoder: ImageTextEncoder) -> list[Hit]:
    from clip_emotion.resources import cache_dir
    from clip_emotion.retrieval.labelling.dimensions import RatedWords
    from clip_emotion.retrieval.store.search import with_dimensions

    return with_dimensions(hits, RatedWords(encoder, cache=cache_dir() / "vocabularies"))


def _show(hits: Sequence[Hit]) -> None:
    console = stdout()
    for rank, hit in enumerate(hits, start=1):
        face = f"  face {hit.face.index + 1}" if hit.face.index is not None else ""
        score = f" ({hit.score:+.3f})" if hit.score != hit.similarity else ""
        place = f"  {hit.dimensions.valence:+.3f} {hit.dimensions.arousal:+.3f}" if hit.dimensions else ""
        console.print(f"{rank:4}  {hit.similarity:6.3f}{score}{place}  {printable(hit.path)}{face}", soft_wrap=True)


def _write(hits: Sequence[Hit], wanted: Wanted, encoder: ImageTextEncoder, out: Path | None) -> None:
    about = {"query": wanted.title, "model": encoder.fingerprint}
    rows = [{"rank": rank, **hit.to_dict(), **about} for rank, hit in enumerate(hits, start=1)]
    lines = "".join(json.dumps(row, ensure_ascii=False, allow_nan=False) + "\n" for row in rows)
    if out is None:
        print(lines, end="")
    else:
        write_atomic(out, lines)


def _write_report(folder: Path, hits: Sequence[Hit], wanted: Wanted, encoder: ImageTextEncoder) -> None:
    from clip_emotion.data.images import ImageSource
    from clip_emotion.retrieval.labelling.contact_sheet import SheetConfig, write_contact_sheet

    config = SheetConfig(
        title=f"{wanted.title} · {len(hits):,} {'face' if len(hits) == 1 else 'faces'}",
        korean_title=f"{wanted.title} · 얼굴 {len(hits):,}개",
        language="ko" if has_hangul(wanted.title) else "en",
        subtitle=f"Found by the model {encoder.name} (version {encoder.fingerprint[:17]})",
        korean_subtitle=f"모델 {encoder.name} (버전 {encoder.fingerprint[:17]})",
        faces=True,
        similarities=True,
    )
    predictions = [hit.prediction(wanted.title, encoder.fingerprint) for hit in hits]
    sources = {hit.path: ImageSource(hit.path, hit.file) for hit in hits}
    page = write_contact_sheet(folder, predictions, sources, config)
    outputs.mark_folder(folder, SHEET)
    say(f"Contact sheet: {page}")
