"""``clip-emotion embed``: pictures into a store, which any words label later without an encoder of pictures."""

from __future__ import annotations

import time
import warnings
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from clip_emotion import outputs
from clip_emotion.cli import options
from clip_emotion.cli.common import progress_bar, say, say_errors
from clip_emotion.cli.engine_options import EngineChoice
from clip_emotion.cli.face_options import FacesArguments
from clip_emotion.cli.grouped import grouped
from clip_emotion.cli.running import RunningArguments
from clip_emotion.files import expanded

if TYPE_CHECKING:
    from clip_emotion.retrieval.store.embedding import EmbedCounts


@grouped
def embed(
    *,
    paths: list[str] = typer.Argument(None, help="Files, folders, globs, or - for a list on standard input."),
    store: Path = options.STORE_TO_FILL,
    model: str = options.MODEL,
    faces: FacesArguments,
    batch_size: int = options.batch_size(32),
    engine: options.EngineName = options.ENGINE,
    workers: int = options.WORKERS_OF_ENGINE,
    parts: str | None = options.PARTS,
    device: options.Device = options.DEVICE,
    running: RunningArguments,
    retry: bool = typer.Option(False, "--retry", help="Try pictures again that failed before."),
    max_pixels: int = options.MAX_PIXELS,
) -> None:
    """Embed pictures of faces into a store, for any words at any time; pictures that are in it already are skipped.

    Exit code: 0 all pictures are in the store, 1 some failed, now or before, 2 misuse.
    """
    from clip_emotion.data.finding import find_images
    from clip_emotion.data.image_limits import allow_pixels

    found = find_images(paths or [], typer.get_binary_stream("stdin"))
    notice = found.notice()
    if notice:
        say(notice)
    inputs = [source.content for source in found.sources if isinstance(source.content, Path)]
    store = expanded(store)
    outputs.claim_file(store, outputs.WriteOptions(resume=True), inputs=inputs)
    allow_pixels(max_pixels)
    warnings.filterwarnings("ignore", module="PIL")
    from clip_emotion.retrieval.engines.base import Filling
    from clip_emotion.retrieval.labelling.stream import StreamConfig
    from clip_emotion.retrieval.store.embedding_store import EmbeddingStore
    from clip_emotion.retrieval.store.records import StoreCard

    chosen = EngineChoice(engine, device, StreamConfig(faces.options(), batch_size, workers, max_pixels), parts)
    running.check(engine)
    encoder = running.load(model, chosen.device_here)
    started = time.perf_counter()
    card = StoreCard.of(encoder, model, chosen.config.faces)
    with EmbeddingStore.open_for(store, card) as filled, progress_bar("Embedding", len(found.sources)) as advance:
        counts = chosen.made(model, encoder).embed(found.sources, Filling(filled, retry, advance))
    _tell(counts, time.perf_counter() - started)
    if counts.errors or counts.failed_before:
        raise typer.Exit(1)


def _tell(counts: EmbedCounts, seconds: float) -> None:
    say_errors(counts.errors)
    if counts.failed_before:
        say(f"{counts.failed_before} of the unchanged, moved or copied failed before: --retry tries them again.")
    faceless = f", {counts.faceless} without a face" if counts.faceless else ""
    parts = (
        f"{counts.embedded} embedded ({counts.faces} {'embedding' if counts.faces == 1 else 'embeddings'}{faceless})",
        f"{counts.unchanged} unchanged",
        f"{counts.known} moved or copied",
    )
    what = f"{counts.pictures} {'picture' if counts.pictures == 1 else 'pictures'}"
    failed = f"{len(counts.errors)} failed" + (f" now, {counts.failed_before} before" if counts.failed_before else "")
    say(f"{what} in {seconds:.1f} s: {', '.join(parts)}; {failed}.")
