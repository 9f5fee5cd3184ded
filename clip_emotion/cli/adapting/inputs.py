"""Labelled faces for ``adapt`` and ``calibrate``: from a store, or from the pictures themselves."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from clip_emotion.cli.common import progress_bar, say
from clip_emotion.files import expanded

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from clip_emotion.models.base import ImageTextEncoder
    from clip_emotion.retrieval.adapting.examples import Reading
    from clip_emotion.retrieval.evaluation.labelled import Labelled
    from clip_emotion.retrieval.store.embedding_store import EmbeddingStore

SHOWN_ERRORS = 10
UNLABELLED = 20_000
"""Faces of a store that words without an example may choose from."""


@dataclass(frozen=True)
class Inputs:
    """What a call reads: labelled data and its split, a store or None, and a model or None for the store's own."""

    examples: str
    split: str | None
    store: Path | None
    model: str | None
    device: str

    def files(self, *others: str | Path | None) -> list[Path]:
        """Return the paths that no output may replace."""
        return [Path(path) for path in (self.examples, self.store, *others) if path is not None]


@dataclass(frozen=True)
class Opened:
    """What a call reads: the encoder, the labelled rows, what finds their embeddings, and the store or None."""

    encoder: ImageTextEncoder
    rows: Labelled
    reading: Reading
    store: EmbeddingStore | None

    def unlabelled(self) -> NDArray[np.float32] | None:
        """Return embeddings of the store's faces [N, D], some of them where they are very many."""
        from clip_emotion.retrieval.store.reading import some_vectors
        from clip_emotion.retrieval.store.upkeep import store_info

        return None if self.store is None else some_vectors(self.store, store_info(self.store).embeddings, UNLABELLED)


@contextmanager
def opened(inputs: Inputs) -> Iterator[Opened]:
    """Open what a call reads."""
    from clip_emotion.models import registry
    from clip_emotion.retrieval.adapting.examples import Reading
    from clip_emotion.retrieval.evaluation.encoding import encode_image_rows
    from clip_emotion.retrieval.evaluation.labelled import open_labelled
    from clip_emotion.retrieval.evaluation.selection import RowSelection
    from clip_emotion.retrieval.store.embedding_store import EmbeddingStore
    from clip_emotion.retrieval.store.evaluation import StoredRows

    with ExitStack() as stack:
        store = None if inputs.store is None else stack.enter_context(EmbeddingStore.open(inputs.store))
        model = inputs.model or (store.card.model if store else "mini")
        beside = expanded(inputs.examples)
        folders = (Path(), beside if beside.is_dir() else beside.parent)
        embed = encode_image_rows if store is None else StoredRows(store, folders)
        rows = stack.enter_context(open_labelled(inputs.examples, RowSelection(inputs.split, prefer=("train",))))
        encoder = registry.load_encoder(model, inputs.device)
        advance = stack.enter_context(progress_bar("reading examples", total=len(rows.images)))
        yield Opened(encoder, rows, Reading(embed_rows=embed, progress=advance), store)


def say_errors(errors: Sequence[str]) -> None:
    """Tell which rows could not be used, and why."""
    for error in errors[:SHOWN_ERRORS]:
        say(error)
    more = len(errors) - SHOWN_ERRORS
    if errors:
        say(f"{len(errors)} row(s) could not be used" + (f", {more} of them not shown." if more > 0 else "."))
