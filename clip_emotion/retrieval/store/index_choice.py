"""Which index answers a search, chosen by the number of files."""

from __future__ import annotations

from dataclasses import dataclass

FaceKey = tuple[int, int]
"""A face in a store: the number of its content and of its part there."""
STREAMED = "exact inner product, from the store"
EXACT = "exact inner product, index in half precision"
APPROXIMATE = "inverted file (IVF), index in half precision"
STREAMED_FILES, EXACT_FILES = 250_000, 1_000_000
"""How many files each of the first two kinds is for, at most; counting files costs nothing, counting faces does."""


@dataclass(frozen=True)
class IndexChoice:
    """Which index answers a search, and why."""

    kind: str
    reason: str


def choose_index(files: int) -> IndexChoice:
    """Say which index answers a search among the faces of so many files."""
    if files <= STREAMED_FILES:
        return IndexChoice(STREAMED, f"{files:,} files, whose vectors are read sooner than an index is made and kept")
    if files <= EXACT_FILES:
        return IndexChoice(EXACT, f"{files:,} files, and an index beside the store is read sooner than the store")
    return IndexChoice(APPROXIMATE, f"{files:,} files, too many for looking at all; store info --recall measures it")


@dataclass(frozen=True)
class Recall:
    """How many of the nearest ``k`` faces of a face an index finds, as a share, over so many faces of the store."""

    share: float
    k: int
    queries: int
