"""A store's faces in groups: k-means, the number of groups by silhouette, and the words that set a group apart."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.cluster import KMeans
from sklearn.metrics import silhouette_score

from clip_emotion.arrays import FloatArray, IntArray
from clip_emotion.errors import UsageError
from clip_emotion.retrieval.labelling.labeller import ZeroShotLabeller
from clip_emotion.retrieval.store.embedding_store import EmbeddingStore
from clip_emotion.retrieval.store.reading import face_blocks
from clip_emotion.types import FaceRegion

SAMPLE = 20_000
"""Faces that the centres are fitted to, drawn at random where a store has more."""
JUDGED = 2_000
"""Faces of these on which the number of groups is chosen: silhouettes need all distances between them."""
MOST = 12
"""The largest number of groups that is tried."""
STARTS = 4
Vectors = NDArray[np.float32]


@dataclass(frozen=True)
class GroupCount:
    """How many groups there are, and the mean silhouette of each number that was tried, where it was chosen by that."""

    groups: int
    silhouettes: Mapping[int, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Clustering:
    """The groups of a store's faces, the largest first.

    ``assigned`` [V] is the group of every face that has a vector, in the order of the store, counted from 0; ``sizes``
    [K] count them. ``means`` [K, D] are the groups' mean vectors and ``mean`` [D] that of all faces.
    """

    count: GroupCount
    assigned: IntArray
    sizes: IntArray
    means: FloatArray
    mean: FloatArray


@dataclass(frozen=True)
class Member:
    """A face and its group, counted from 1; ``similarity`` is its cosine with the mean of the group."""

    path: str
    file: Path
    face: FaceRegion
    group: int
    similarity: float

    def to_dict(self, names: Sequence[str]) -> dict[str, Any]:
        """Return the row as JSON-ready values; ``names`` are the group's words, the best first."""
        return {
            "path": self.path, "face": self.face.to_dict(), "group": self.group, "name": names[0], "names": [*names],
            "similarity": self.similarity,
        }  # fmt: skip


def cluster_store(store: EmbeddingStore, groups: int | None = None, seed: int = 0) -> Clustering:
    """Group the faces of a store by k-means on their vectors; without a number of groups it is chosen.

    Centres are fitted to ``SAMPLE`` faces at most, and every face then goes to the nearest: memory does not grow with
    the vectors of the store. Raises UsageError where there are fewer different faces than groups.
    """
    with store.reading():
        sample = draw_sample(store, SAMPLE, seed)
        different = len(np.unique(sample, axis=0))
        if different < max(groups or 2, 2):
            raise UsageError(
                f"{store.path} holds {different} different faces, too few for {max(groups or 2, 2)} groups: ask for "
                "fewer, or embed more pictures."
            )
        count = choose_count(sample, seed) if groups is None else GroupCount(groups)
        centres = _fit(sample, count.groups, seed)
        return _assign_all(store, centres, count)


def draw_sample(store: EmbeddingStore, size: int, seed: int) -> Vectors:
    """Return the vectors of faces drawn at random, at most ``size``, in the order of the store.

    Each face gets a random key, and those with the least are kept while the store is read once.
    """
    random = np.random.default_rng(seed)
    kept, keys = np.empty((0, store.dim or 0), dtype=np.float32), np.empty(0)
    for block in face_blocks(store):
        if not len(block.vectors):
            continue
        kept, keys = np.concatenate([kept, block.vectors]), np.concatenate([keys, random.random(len(block.vectors))])
        if len(keys) > size:
            least = np.sort(np.argpartition(keys, size)[:size])
            kept, keys = kept[least], keys[least]
    return kept


def choose_count(vectors: Vectors, seed: int) -> GroupCount:
    """Return the number of groups from 2 to ``MOST`` with the highest mean silhouette on ``JUDGED`` vectors.

    The silhouette of a face is (b - a) / max(a, b), where a is its mean distance to its own group and b that to the
    nearest other one (Rousseeuw 1987). Of equal numbers the smallest wins.
    """
    some = vectors
    if len(vectors) > JUDGED:
        some = vectors[np.sort(np.random.default_rng(seed).choice(len(vectors), JUDGED, replace=False))]
    most = min(MOST, len(np.unique(some, axis=0)) - 1)
    if most < 2:
        return GroupCount(2)
    distances = _distances(some)
    silhouettes = {}
    for number in range(2, most + 1):
        assigned = _nearest(some, _fit(some, number, seed))
        silhouettes[number] = float(silhouette_score(distances, assigned, metric="precomputed"))
    best = max(silhouettes, key=lambda number: (silhouettes[number], -number))
    return GroupCount(best, silhouettes)


def _distances(vectors: Vectors) -> FloatArray:
    exact = vectors.astype(np.float64)
    squares = (exact**2).sum(axis=1)
    distances = np.sqrt((squares[:, None] + squares - 2 * exact @ exact.T).clip(0))
    np.fill_diagonal(distances, 0)
    return np.asarray(distances, dtype=np.float64)


def _fit(vectors: Vectors, groups: int, seed: int) -> Vectors:
    means = KMeans(groups, n_init=STARTS, random_state=seed).fit(vectors).cluster_centers_
    return np.asarray(means, dtype=np.float32)


def _nearest(vectors: Vectors, centres: Vectors) -> IntArray:
    # |x - c|² = |x|² - 2 x·c + |c|², of which |x|² is the same for all centres.
    return np.asarray((vectors @ centres.T - (centres**2).sum(axis=1) / 2).argmax(axis=1), dtype=np.int64)


def _assign_all(store: EmbeddingStore, centres: Vectors, count: GroupCount) -> Clustering:
    """Give every face to its nearest centre; groups are then counted from the largest."""
    parts: list[IntArray] = []
    sums = np.zeros(centres.shape)
    for block in face_blocks(store):
        if len(block.vectors):
            parts.append(_nearest(block.vectors, centres))
            sums += np.eye(len(centres))[parts[-1]].T @ block.vectors
    assigned = np.concatenate(parts)
    sizes = np.bincount(assigned, minlength=len(centres))
    order = np.argsort(-sizes, kind="stable")
    order = order[sizes[order] > 0]
    renumbered = np.full(len(centres), -1)
    renumbered[order] = np.arange(len(order))
    means = sums[order] / sizes[order, None]
    return Clustering(count, renumbered[assigned], sizes[order], means, sums.sum(axis=0) / len(assigned))


def name_groups(clustering: Clustering, labeller: ZeroShotLabeller, top: int = 3) -> list[list[str]]:
    """Return the words that set each group apart, best first: at most ``top`` of the labeller's, shown names.

    A word w is ranked by (m_g - m) · w, that is by how much nearer the mean of the group is to it than the mean of all
    faces is. Words that are near to every face, and so would name every group, fall out; and since the differences of
    all groups, weighted by their sizes, add up to nothing, no word is the best of all of them.
    """
    apart = (clustering.means - clustering.mean) @ labeller.index.embeddings.T.astype(np.float64)
    names = labeller.vocabulary.names(labeller.language)
    best = np.argsort(-apart, axis=1, kind="stable")[:, :top]
    return [[names[at] for at in row] for row in best.tolist()]


def members(store: EmbeddingStore, clustering: Clustering) -> Iterator[Member]:
    """Yield every face that has a vector with its group, in the order of the store.

    Raises UsageError where the store has other faces than when it was clustered.
    """
    unit = clustering.means / np.linalg.norm(clustering.means, axis=1, keepdims=True).clip(1e-12)
    start = 0
    for block in face_blocks(store):
        end = start + len(block.vectors)
        if end > len(clustering.assigned):
            break
        groups = clustering.assigned[start:end]
        similarities = np.einsum("nd,nd->n", block.vectors, unit[groups])
        rows = np.flatnonzero(block.has_vector)
        for row, group, similarity in zip(rows.tolist(), groups.tolist(), similarities.tolist(), strict=True):
            yield Member(block.paths[row], block.file(row), block.face(row), group + 1, similarity)
        start = end
    else:
        if start == len(clustering.assigned):
            return
    raise UsageError(f"{store.path} was changed meanwhile: run again.")
