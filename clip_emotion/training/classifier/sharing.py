"""Images and features that several runs in one process share, so that they are read and computed once."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Hashable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TypeVar, cast

from datasets import Dataset

from clip_emotion.data.batches import DecodedImages, Decoding

KEPT = 24
"""How many things are kept at most, the last used ones; a run over a frozen network needs nine."""
T = TypeVar("T")
_shelf: ContextVar[OrderedDict[Hashable, object] | None] = ContextVar("shelf", default=None)


@contextmanager
def shared() -> Iterator[None]:
    """Within the block, ``kept`` makes each thing once."""
    token = _shelf.set(OrderedDict())
    try:
        yield
    finally:
        _shelf.reset(token)


def kept(key: Hashable, make: Callable[[], T]) -> T:
    """Return what ``make`` makes, or made before for the same key within ``shared``; ``key`` must say all of it."""
    shelf = _shelf.get()
    if shelf is None:
        return make()
    if key not in shelf:
        while len(shelf) >= KEPT:
            shelf.popitem(last=False)
        shelf[key] = make()
    shelf.move_to_end(key)
    return cast("T", shelf[key])


def decoded(rows: Dataset, size: int, decoding: Decoding) -> DecodedImages:
    """Return the images of rows as squares of ``size`` pixels."""
    return kept(("images", name_of(rows), size, decoding), lambda: DecodedImages(rows, size, decoding))


def name_of(rows: Dataset) -> str:
    """Return the hash by which the datasets library knows what rows hold."""
    return str(rows._fingerprint)
