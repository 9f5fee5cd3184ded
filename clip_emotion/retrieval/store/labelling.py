"""A store's faces labelled: any words against all vectors, block by block, with no encoder of pictures."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import repeat
from json.encoder import encode_basestring as quoted
from typing import Any

import numpy as np

from clip_emotion.data.faces.parts import FACELESS
from clip_emotion.data.images import ImageSource
from clip_emotion.retrieval.labelling.labeller import RankedFeatures, ZeroShotLabeller
from clip_emotion.retrieval.labelling.rows import RunCard
from clip_emotion.retrieval.labelling.stream import map_ahead
from clip_emotion.retrieval.store.embedding_store import EmbeddingStore
from clip_emotion.retrieval.store.reading import FaceBlock, face_blocks
from clip_emotion.types import Prediction

AHEAD = 2
"""Blocks that are ranked before they are wanted."""


def label_store(store: EmbeddingStore, labeller: ZeroShotLabeller, top: int) -> Iterator[LabelledBlock]:
    """Rank a labeller's words for all faces of a store, in the order in which their files came.

    Ranks are those of labelling the pictures themselves, and probabilities the same to 1e-3. Raises UsageError where
    the store holds another encoder's embeddings.
    """
    dim = labeller.index.embeddings.shape[1]
    store.check_words(labeller.encoder, dim)

    def ranked(block: FaceBlock) -> LabelledBlock:
        vectors = block.vectors if len(block.vectors) else np.empty((0, dim), dtype=np.float32)
        return LabelledBlock(block, labeller.rank_features(vectors, top), labeller)

    # Ranking leaves the interpreter free: it goes on beside the writing of the block before.
    yield from map_ahead(ranked, face_blocks(store), 1, AHEAD)


@dataclass(frozen=True)
class LabelledBlock:
    """Rows of a store and the words ranked for those that have a vector."""

    block: FaceBlock
    ranked: RankedFeatures
    labeller: ZeroShotLabeller

    def __len__(self) -> int:
        return len(self.block)

    @property
    def failed(self) -> int:
        """How many rows hold an error."""
        return sum(error is not None for error in self.block.errors)

    @property
    def faceless(self) -> int:
        """How many rows are of pictures in which a face was looked for and none found."""
        return sum(note in FACELESS for note in self.block.notes)

    def sources(self) -> dict[str, ImageSource]:
        """Return the rows' pictures by their paths."""
        return {path: ImageSource(path, self.block.file(row)) for row, path in enumerate(self.block.paths)}

    def predictions(self) -> list[Prediction]:
        """Return the rows as ``label`` gives them."""
        block, model = self.block, self.labeller.encoder.fingerprint
        ranked = zip(self.labeller.labels_of(self.ranked), self.ranked.placed(), strict=True)
        said = (next(ranked) if has_vector else ((), None) for has_vector in block.has_vector.tolist())
        return [
            Prediction(path, labels, model, block.face(row), error, place)
            for row, (path, (labels, place), error) in enumerate(zip(block.paths, said, block.errors, strict=True))
        ]

    def json_lines(self, card: RunCard) -> bytes:
        """Return the rows as JSON lines, byte for byte those of ``JsonLines``, several times as fast.

        A mapping a row, which is then written out, would cost more than all the rest.
        """
        written = {name: quoted(value) for name, value in card.written().items()}
        tail = ", ".join(f'"{name}": {value}' for name, value in written.items())
        # Rows without words have their places among those with words.
        labels = np.full(len(self), "", dtype=object)
        labels[self.block.has_vector] = self._labels()
        places = list(self._places()) if card.dimensions else [""] * len(self)
        errors = ("null" if error is None else quoted(error) for error in self.block.errors)
        lines = [
            f'{{"path": {path}, "face": {face}, "labels": [{words}], {place}{tail}, "error": {error}}}\n'
            for path, face, words, place, error in zip(
                map(quoted, self.block.paths), self._faces(), labels.tolist(), places, errors, strict=True
            )
        ]
        return "".join(lines).encode("utf-8")

    def _labels(self) -> list[str]:
        """Return each ranked row's words, written by loops that run inside the interpreter's own functions."""
        vocabulary, language, ranked = self.labeller.vocabulary, self.labeller.language, self.ranked
        heads = [
            f'{{"label": {quoted(label.key)}, "name": {quoted(name)}, "probability": '
            for label, name in zip(vocabulary.labels, vocabulary.names(language), strict=True)
        ]
        cells: tuple[Any, ...] = (
            map(heads.__getitem__, ranked.positions.ravel().tolist()),
            map(float.__repr__, ranked.probabilities.ravel().tolist()),
            repeat(', "similarity": '),
            map(float.__repr__, ranked.similarities.ravel().tolist()),
            repeat("}"),
        )
        words = map("".join, zip(*cells, strict=False))
        return list(map(", ".join, zip(*[words] * ranked.positions.shape[1], strict=True)))

    def _places(self) -> Iterator[str]:
        placed = iter(self.ranked.placed())
        for has_vector in self.block.has_vector.tolist():
            place = next(placed) if has_vector else None
            valence, arousal = ("null", "null") if place is None else map(repr, (place.valence, place.arousal))
            yield f'"valence": {valence}, "arousal": {arousal}, '

    def _faces(self) -> Iterator[str]:
        block = self.block
        columns: Sequence[Sequence[Any]] = (block.indices, *block.boxes, block.confidences, block.parts, block.notes)
        for index, x, y, width, height, confidence, part, note in zip(*columns, strict=True):
            box = "null" if x is None else f"[{x}, {y}, {width}, {height}]"
            sure = "null" if confidence is None else float.__repr__(confidence)
            face = "null" if index is None else index
            yield f'{{"index": {face}, "box": {box}, "confidence": {sure}, "part": "{part}", "note": {quoted(note)}}}'
