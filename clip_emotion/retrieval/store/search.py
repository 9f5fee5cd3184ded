"""A store searched: the faces that lie nearest to words or to another face, and far from what is not wanted."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from clip_emotion.data.finding import resolve_path
from clip_emotion.data.images import ImageSource
from clip_emotion.errors import DataError, UsageError
from clip_emotion.models.base import ImageTextEncoder
from clip_emotion.models.embedding import embed_pixels
from clip_emotion.retrieval.labelling.dimensions import RatedWords
from clip_emotion.retrieval.labelling.index import VocabularyIndex
from clip_emotion.retrieval.labelling.labeller import BROKEN
from clip_emotion.retrieval.labelling.languages import choose_language
from clip_emotion.retrieval.labelling.stream import RegionReader, StreamConfig
from clip_emotion.retrieval.store.embedding_store import EmbeddingStore
from clip_emotion.retrieval.store.index_choice import STREAMED, FaceKey
from clip_emotion.retrieval.store.reading import FaceBlock, faces_of, vector_blocks
from clip_emotion.types import Dimensions, FaceRegion, Prediction, ScoredLabel
from clip_emotion.vocabulary import Vocabulary


@dataclass(frozen=True)
class Wanted:
    """What is searched for: words and pictures that are alike, words that are not, how many faces, and how near."""

    texts: Sequence[str] = ()
    like: Sequence[str] = ()
    unlike: Sequence[str] = ()
    top: int = 50
    min_similarity: float | None = None

    def __post_init__(self) -> None:
        if not self.texts and not self.like:
            raise UsageError('Say what to search for: words such as "비장한 얼굴", or --like PICTURE.')
        if self.top < 1:
            raise UsageError(f"top must be at least 1, not {self.top}.")

    @property
    def title(self) -> str:
        """What is searched for, in one line."""
        return " + ".join([*self.texts, *self.like]) + "".join(f" − {word}" for word in self.unlike)


@dataclass(frozen=True)
class Query:
    """A search in an encoder's space: the direction wanted [D], of unit length, and that not wanted [D], or zeros.

    A face's similarity is its cosine with what is wanted; its score, by which faces are ranked, is that less its mean
    cosine with the words that are not wanted.
    """

    wanted: NDArray[np.float32]
    unwanted: NDArray[np.float32]

    @classmethod
    def of(cls, wanted: Wanted, store: EmbeddingStore, encoder: ImageTextEncoder, lang: str = "auto") -> Query:
        """Encode what is searched for; a picture that the store has is taken from there.

        Raises UsageError where the store holds another encoder's embeddings, DataError for a picture that cannot be
        used.
        """
        words = [*wanted.texts, *wanted.unlike]
        encoded = _encode(words, encoder, lang) if words else np.empty((0, 0), dtype=np.float32)
        pictures = [_picture(path, store, encoder) for path in wanted.like]
        together = np.stack([*encoded[: len(wanted.texts)], *pictures])
        store.check_words(encoder, together.shape[1])
        mean = together.mean(axis=0)
        none = np.zeros_like(mean)
        return cls(
            mean / max(float(np.linalg.norm(mean)), 1e-12),
            encoded[len(wanted.texts) :].mean(axis=0) if wanted.unlike else none,
        )


def _encode(words: Sequence[str], encoder: ImageTextEncoder, lang: str) -> NDArray[np.float32]:
    """Embed each text as ``label`` embeds a word: by the mean of its prompts."""
    vocabularies = [Vocabulary.from_words([word]) for word in words]
    indexes = [VocabularyIndex.build(encoder, one, choose_language(encoder, one, lang)) for one in vocabularies]
    return np.concatenate([index.embeddings for index in indexes])


def _picture(path: str, store: EmbeddingStore, encoder: ImageTextEncoder) -> NDArray[np.float32]:
    """Return the embedding of a picture's largest face, found as the store's faces were."""
    store.check_encoder(encoder.name, encoder.fingerprint)
    place = resolve_path(path)
    if place is None or not place.is_file():
        raise UsageError(f"--like {path}: there is no such picture.")
    try:
        content = place.read_bytes()
    except OSError as error:
        raise DataError(f"--like {path}: the file cannot be read ({error.strerror or error}).") from error
    known = store.first_face(hashlib.sha256(content).hexdigest())
    if known is not None and known.vector is not None:
        return known.vector
    reader = RegionReader(encoder.preprocess, StreamConfig(store.card.options()))
    region = reader(ImageSource(path, content))[0]
    if region.pixels is None:
        raise DataError(f"--like {path}: {region.error or 'no face is found in it.'}")
    vector: NDArray[np.float32] = embed_pixels(encoder, [region.pixels])[0]
    if not np.isfinite(vector).all():
        raise DataError(f"--like {path}: {BROKEN}")
    return vector


@dataclass(frozen=True)
class Hit:
    """A face that a search found; ``file`` is where its picture lies, ``vector`` [D] its embedding."""

    path: str
    file: Path
    face: FaceRegion
    similarity: float
    score: float
    vector: NDArray[np.float32] = field(compare=False, repr=False)
    dimensions: Dimensions | None = None

    def to_dict(self) -> dict[str, Any]:
        """Return the hit as JSON-ready values."""
        values = {
            "path": self.path, "face": self.face.to_dict(), "similarity": self.similarity, "score": self.score,
        }  # fmt: skip
        return values if self.dimensions is None else {**values, **self.dimensions.to_dict()}

    def prediction(self, title: str, model: str) -> Prediction:
        """Return the row of a contact sheet of similarities; a search has no probabilities."""
        labels = (ScoredLabel(title, title, math.nan, self.similarity),)
        return Prediction(self.path, labels, model, self.face, dimensions=self.dimensions)


ROUNDING = 1e-6
"""How far two computations of one score lie apart."""
MARGIN = 50
"""Candidates that an index names beyond those asked for: in half precision equal faces change places."""
TIES = 1000
"""Faces of an equal score that are kept to be told in the order of the store."""


def search(
    store: EmbeddingStore, query: Query, top: int, min_similarity: float | None = None, kind: str = STREAMED
) -> list[Hit]:
    """Return the faces of the highest score, best first, at most ``top``; equal ones in the order of the store.

    Faces whose similarity is below ``min_similarity`` are left out. ``kind`` is one of ``choose_index``; an index only
    names candidates, whose scores are those of the store. Raises DataError where the store is damaged.
    """
    floor = -math.inf if min_similarity is None else min_similarity
    with store.reading() as connection:
        # An index ranks by score alone: where the floor is of something else, all faces have to be looked at.
        if kind == STREAMED or (min_similarity is not None and query.unwanted.any()):
            keys = _streamed(vector_blocks(connection, store), query, top, floor)
        else:
            from clip_emotion.retrieval.store.index import open_index

            direction = (query.wanted - query.unwanted)[None]
            keys = open_index(store, connection, kind).nearest(direction, top + MARGIN)[0]
        block = faces_of(connection, store, keys)
    return _hits(block, query, floor)[:top]


def _streamed(
    blocks: Iterator[tuple[list[FaceKey], NDArray[np.float32]]], query: Query, top: int, floor: float
) -> list[FaceKey]:
    """Return the faces that may be among the best: these, and those of an equal score."""
    found: list[tuple[float, FaceKey]] = []
    least = -math.inf
    for keys, vectors in blocks:
        similarities = vectors @ query.wanted
        scores = similarities - vectors @ query.unwanted
        good = np.flatnonzero((scores >= least) & (similarities >= floor - ROUNDING))
        best = good[np.argsort(-scores[good], kind="stable")[: top + TIES]]
        found += [(float(scores[at]), keys[at]) for at in best]
        found.sort(key=lambda one: -one[0])
        if len(found) >= top:
            least = found[top - 1][0] - ROUNDING
        found = [one for one in found if one[0] >= least][: top + TIES]
    return [key for _, key in found]


def _hits(block: FaceBlock, query: Query, floor: float) -> list[Hit]:
    """Return a block's faces of at least a similarity, the highest score first, and equal ones in their order."""
    # Row by row: the product of a matrix gives equal rows unequal last bits.
    similarities = np.array([float(vector @ query.wanted) for vector in block.vectors])
    scores = similarities - np.array([float(vector @ query.unwanted) for vector in block.vectors])
    best = [at for at in np.argsort(-scores, kind="stable").tolist() if similarities[at] >= floor]
    return [
        Hit(block.paths[at], block.file(at), block.face(at), float(similarities[at]), float(scores[at]), vector)
        for at, vector in zip(best, block.vectors[best], strict=True)
    ]


def with_dimensions(hits: Sequence[Hit], rated: RatedWords) -> list[Hit]:
    """Return the faces that a search found with their valence and arousal."""
    if not hits:
        return []
    places = rated.dimensions(np.stack([hit.vector for hit in hits])).tolist()
    return [replace(hit, dimensions=Dimensions(*place)) for hit, place in zip(hits, places, strict=True)]
