"""Examples of words: labelled faces in an encoder's space, and the words that they bring with them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from clip_emotion.arrays import IntegerArray
from clip_emotion.errors import UsageError
from clip_emotion.models.base import ImageTextEncoder
from clip_emotion.retrieval.evaluation.classes import ClassMatcher, ClassRules, judge_rows, unknown_classes
from clip_emotion.retrieval.evaluation.encoding import EmbedRows, Progress, encode_image_rows, no_progress
from clip_emotion.retrieval.evaluation.labelled import Labelled
from clip_emotion.retrieval.labelling.stream import StreamConfig
from clip_emotion.text import fold, nfc
from clip_emotion.vocabulary import Vocabulary


@dataclass(frozen=True)
class Reading:
    """How labelled faces are read: what finds their embeddings, and how pictures are opened."""

    embed_rows: EmbedRows = encode_image_rows
    stream: StreamConfig = field(default_factory=lambda: StreamConfig(batch_size=64))
    progress: Progress = no_progress


@dataclass(frozen=True)
class LabelledFaces:
    """Embeddings [N, D] of unit length, the places of their words [N], where each stands, and what was left out."""

    vectors: NDArray[np.float32]
    words: NDArray[np.int64]
    where: tuple[str, ...]
    errors: tuple[str, ...]

    def only(self, rows: IntegerArray) -> LabelledFaces:
        """Return the faces at these places."""
        return replace(
            self, vectors=self.vectors[rows], words=self.words[rows], where=tuple(self.where[row] for row in rows)
        )


def labelled_faces(
    encoder: ImageTextEncoder, rows: Labelled, vocabulary: Vocabulary, reading: Reading
) -> LabelledFaces:
    """Return the labelled pictures whose class a vocabulary has, in an encoder's space; the others become ``errors``.

    Raises UsageError for texts and where no class is in the vocabulary, DataError where no picture can be used.
    """
    refuse_texts(rows)
    rules = ClassRules()
    matcher = ClassMatcher(vocabulary, rules)
    usable, judged = judge_rows(rows.images, [matcher], rules)
    if not usable:
        told = unknown_classes(judged.unknown, vocabulary) if judged.unknown else judged.errors[0]
        raise UsageError(f"No row of {rows.data} can be used: {told}")
    found = reading.embed_rows(encoder, usable, reading.stream, reading.progress)
    kept = [usable[place] for place in found.kept]
    words = np.array([vocabulary.index(str(matcher.key(row.label))) for row in kept], dtype=np.int64)
    vectors = np.ascontiguousarray(found.embeddings, dtype=np.float32)
    faces = LabelledFaces(vectors, words, tuple(row.where for row in kept), (*judged.errors, *found.errors))
    finite = np.isfinite(vectors).all(axis=1)
    broken = tuple(f"{faces.where[row]}: the model gives no finite numbers for it" for row in np.flatnonzero(~finite))
    return replace(faces.only(np.flatnonzero(finite)), errors=(*faces.errors, *broken))


def refuse_texts(rows: Labelled) -> None:
    """Raise UsageError for labelled texts."""
    if not rows.images:
        raise UsageError(f"{rows.data} holds texts: examples are pictures, in class folders or a table of path,label.")


def with_new_words(vocabulary: Vocabulary | None, classes: Iterable[str]) -> tuple[Vocabulary, tuple[str, ...]]:
    """Return a vocabulary with the classes that it lacks as words of its own behind the others, and those words.

    Without a vocabulary the classes are all there is.
    """
    spellings: dict[str, str] = {}
    for name in classes:
        spellings.setdefault(fold(name), name)
    if vocabulary is None:
        return Vocabulary.from_words(spellings.values()), ()
    new = [nfc(name).strip() for name in spellings.values() if vocabulary.match(name) is None]
    if not new:
        return vocabulary, ()
    own = Vocabulary.from_words(new)
    return replace(vocabulary, name=f"{vocabulary.name}+{len(new)}", labels=(*vocabulary.labels, *own.labels)), (*new,)


def distinct(faces: LabelledFaces, keys: Sequence[str]) -> LabelledFaces:
    """Return faces without their repetitions; a picture under two words is an error, and counts for the first."""
    first: dict[bytes, int] = {}
    kept, errors = [], []
    for row, vector in enumerate(faces.vectors):
        other = first.setdefault(vector.tobytes(), row)
        if other == row:
            kept.append(row)
        elif faces.words[other] != faces.words[row]:
            errors.append(
                f"{faces.where[row]}: the same picture is an example of '{keys[faces.words[other]]}' too, "
                f"in {faces.where[other]}"
            )
    return replace(faces.only(np.array(kept, dtype=np.intp)), errors=(*faces.errors, *errors))


def drawn(faces: LabelledFaces, most: int, seed: int) -> LabelledFaces:
    """Return at most so many faces of each word, drawn with a seed, in their order."""
    draw = np.random.default_rng(seed)
    rows = [np.flatnonzero(faces.words == word) for word in np.unique(faces.words)]
    chosen = [own if len(own) <= most else draw.choice(own, most, replace=False) for own in rows]
    return faces.only(np.sort(np.concatenate(chosen)))
