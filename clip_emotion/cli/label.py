"""``clip-emotion label``: images and words in, ranked words out."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from clip_emotion import outputs
from clip_emotion.cli import options
from clip_emotion.cli.adapting.options import AdaptedWords, adapted_words
from clip_emotion.cli.common import say, table_in_file
from clip_emotion.cli.engine_options import EngineChoice
from clip_emotion.cli.face_options import FacesArguments
from clip_emotion.cli.grouped import grouped
from clip_emotion.cli.label_output import SHEET, LabelOutput, Output, Thumbnails
from clip_emotion.cli.label_run import LabelRun
from clip_emotion.cli.running import RunningArguments
from clip_emotion.cli.store.beside import model_beside_store
from clip_emotion.cli.store.label import StoreRun
from clip_emotion.cli.video_options import VideoArguments
from clip_emotion.errors import UsageError
from clip_emotion.files import is_stream

if TYPE_CHECKING:
    from clip_emotion.data.images import ImageSource
    from clip_emotion.retrieval.labelling.labeller import ZeroShotLabeller

DEFAULT_VOCABULARY = "kote44"


class RowsFormat(StrEnum):
    """How rows are written."""

    table = "table"
    jsonl = "jsonl"
    csv = "csv"
    parquet = "parquet"


@grouped
def label(
    context: typer.Context,
    *,
    paths: list[str] = typer.Argument(None, help="Files, folders, globs, or - for a list on standard input."),
    labels: str = options.LABELS,
    vocab: str = options.vocab(f"the model's own, else {DEFAULT_VOCABULARY}"),
    store: Path | None = options.STORE_INSTEAD,
    adapter: Path | None = options.ADAPTER,
    prior_correction: options.Prior | None = options.PRIOR,
    top: int = typer.Option(5, "--top", min=1, help="How many words a row lists."),
    dimensions: bool = options.DIMENSIONS,
    model: str = options.MODEL,
    lang: options.Language = options.LANG,
    faces: FacesArguments,
    output_format: RowsFormat = typer.Option(None, "--format", help="[default: by --out's suffix, else table]"),
    out: Path | None = typer.Option(None, "--out", help="Write the rows to this file; an existing one stays."),
    batch_size: int = options.batch_size(32),
    engine: options.EngineName = options.ENGINE,
    workers: int = options.WORKERS_OF_ENGINE,
    device: options.Device = options.DEVICE,
    running: RunningArguments,
    resume: bool = typer.Option(False, "--resume", help="Continue a stopped run that wrote to --out."),
    overwrite: bool = options.OVERWRITE,
    report: Path = options.report("an HTML contact sheet, of videos timelines,"),
    max_pixels: int = options.MAX_PIXELS,
    video: VideoArguments,
) -> None:
    """Rank emotion words for faces in pictures and videos, or for the faces of a store that embed filled.

    A video is a file, camera:0 or rtsp://…. Exit code: 0 all labelled, 1 some failed, 2 misuse.
    """
    output = _settle_output(output_format, video.named_file(out), report, outputs.WriteOptions(overwrite, resume))
    running.check(engine)
    words = adapted_words(adapter, labels, vocab, prior_correction)
    asked = Asked(words, vocab, model, lang, device, running, top, dimensions)
    _settle_pillow(max_pixels)
    if store is None:
        from clip_emotion.retrieval.labelling.stream import StreamConfig

        chosen = EngineChoice(engine, device, StreamConfig(faces.options(), batch_size, workers, max_pixels))
        failed = _label_paths(paths or [], replace(asked, device=chosen.device_here), output, chosen, video)
    else:
        video.check([], resume=False)
        asked = replace(asked, model=model_beside_store(context, model, "paths", "resume", "engine"))
        failed = _label_store(store, asked, output, Thumbnails(workers, max_pixels))
    if failed:
        raise typer.Exit(1)


def _settle_pillow(max_pixels: int) -> None:
    from clip_emotion.data.image_limits import allow_pixels

    allow_pixels(max_pixels)
    # A picture's oddities that matter are in its row; Pillow's remarks on the others are for nobody.
    warnings.filterwarnings("ignore", module="PIL")


@dataclass(frozen=True)
class Asked:
    """The words' side of a call: the words, the file they may come from, and the model that reads them.

    ``model`` None means the one that filled a store.
    """

    words: AdaptedWords
    vocab: str | None
    model: str | None
    lang: str
    device: str
    running: RunningArguments
    top: int
    dimensions: bool


def _label_paths(
    paths: Sequence[str], asked: Asked, output: Output, chosen: EngineChoice, video: VideoArguments
) -> int:
    """Label pictures, and videos if there are any, and return how many rows failed."""
    asked.words.refuse_prior()
    from clip_emotion.cli.label_video import VideoJob, find_all

    sources, videos = find_all(paths)
    video.check(videos, resume=output.writing.resume)
    files = [source.content for source in sources if isinstance(source.content, Path)]
    if videos:
        job = VideoJob(sources, videos, video, chosen.config, asked.top, output)
        job.check(chosen.name)
        inputs = [*files, *(Path(one.place) for one in videos if not one.live)]
        job.claim(inputs)
        from clip_emotion.retrieval.video.sinks import REPORT

        _claim(output, inputs, asked.vocab, made=REPORT)
        with outputs.held(output.path) if output.path else nullcontext():
            return job.run(_labeller(asked.model or "mini", asked))
    _claim(output, files, asked.vocab)
    return _label_pictures(sources, asked, output, chosen)


def _label_pictures(sources: Sequence[ImageSource], asked: Asked, output: Output, chosen: EngineChoice) -> int:
    """Label pictures and return how many rows failed."""
    with outputs.held(output.path) if output.path else nullcontext():
        model, config = asked.model or "mini", chosen.config
        labeller = _labeller(model, asked)
        thumbnails = Thumbnails(config.workers, config.max_pixels)
        top = min(asked.top, len(labeller.vocabulary))
        rows = LabelOutput(labeller, top, config.faces.written(), thumbnails)
        return LabelRun(sources, chosen.made(model, labeller.encoder), rows).run(output)


def _label_store(store: Path, asked: Asked, output: Output, thumbnails: Thumbnails) -> int:
    """Label the faces of a store and return how many rows failed."""
    from clip_emotion.retrieval.store.embedding_store import EmbeddingStore

    with EmbeddingStore.open(store) as opened:
        _claim(output, [store], asked.vocab)
        with outputs.held(output.path) if output.path else nullcontext():
            labeller = _labeller(asked.model or opened.card.model, asked)
            asked.words.correct(opened, labeller)
            top = min(asked.top, len(labeller.vocabulary))
            return StoreRun(opened, LabelOutput(labeller, top, opened.card.face, thumbnails)).run(output)


def _settle_output(
    chosen: RowsFormat | None, out: Path | None, report: Path | None, writing: outputs.WriteOptions
) -> Output:
    """Settle format and file; raises UsageError for combinations that cannot be."""
    out = None if out == Path("-") else out
    suffix = out.suffix.lower().lstrip(".") if out else ""
    form = chosen.value if chosen else suffix if suffix in ("jsonl", "csv", "parquet") else RowsFormat.table.value
    if out is not None and form == RowsFormat.table.value:
        raise table_in_file(out, ("jsonl", "csv", "parquet"))
    if form == RowsFormat.parquet.value and (out is None or is_stream(out)):
        raise UsageError("Parquet needs a file: add --out FILE.parquet.")
    if writing.resume and out is None:
        raise UsageError("--resume continues a file: add --out with the stopped run's file.")
    if writing.resume and writing.overwrite:
        raise UsageError("Give either --resume, which goes on with the rows, or --overwrite, which replaces them.")
    return Output(form, out, report, writing)


def _claim(output: Output, inputs: Sequence[Path], vocab: str | None, made: str = SHEET) -> None:
    """See that rows and report may be written and replace no input; raises UsageError else."""
    from clip_emotion.retrieval.labelling.row_files import partial_path

    inputs = [*inputs, *([Path(vocab)] if vocab else [])]
    if output.path is not None:
        outputs.claim_file(output.path, output.writing, inputs=inputs, resumable=True)
        if output.format == RowsFormat.parquet.value:
            outputs.claim_file(partial_path(output.path), output.writing, inputs=inputs, resumable=True)
    if output.report is not None:
        outputs.claim_folder(output.report, made, output.writing, inputs=inputs, resumable=output.writing.resume)


def _labeller(model: str, asked: Asked) -> ZeroShotLabeller:
    from clip_emotion.models import registry
    from clip_emotion.resources import cache_dir
    from clip_emotion.retrieval.labelling.dimensions import RatedWords
    from clip_emotion.retrieval.labelling.labeller import ZeroShotLabeller
    from clip_emotion.vocabulary import Vocabulary

    encoder = asked.running.load(model, asked.device)
    cache = cache_dir() / "vocabularies"
    rated = RatedWords(encoder, cache=cache) if asked.dimensions else None
    if asked.words.adapter is not None:
        labeller = ZeroShotLabeller.adapted(encoder, asked.words.adapter, asked.lang, cache=cache, rated=rated)
    else:
        words = asked.words.vocabulary or registry.own_vocabulary(encoder) or Vocabulary.load(DEFAULT_VOCABULARY)
        labeller = ZeroShotLabeller(encoder, words, asked.lang, cache=cache, rated=rated)
    for notice in labeller.notices:
        say(f"Note: {notice}")
    return labeller
