"""What every export takes: an image, its faces, the model's words for each and people's."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from clip_emotion.text import fold, nfc
from clip_emotion.types import FaceRegion, Prediction, ScoredLabel
from clip_emotion.vocabulary import Vocabulary


@dataclass(frozen=True, slots=True)
class Judgement:
    """One person's word for a face: the word, who said it, and when (empty where that is not known)."""

    word: str
    by: str = ""
    when: str = ""


WHOLE = FaceRegion()
"""All of an image."""


@dataclass(frozen=True, slots=True, eq=False)
class FaceLabels:
    """One face of an image, or all of it: the model's words, best first, what people said, and its embedding [D]."""

    region: FaceRegion = WHOLE
    words: tuple[ScoredLabel, ...] = ()
    judgements: tuple[Judgement, ...] = ()
    vector: NDArray[np.float32] | None = None

    @property
    def best(self) -> ScoredLabel | None:
        """The model's most probable word, or None where it said none."""
        return self.words[0] if self.words else None

    @property
    def predicted(self) -> str | None:
        """The key of the model's most probable word."""
        return self.best.label if self.best else None

    @property
    def confirmed(self) -> str | None:
        """The word that most people said; None where nobody said one, and where two were said equally often."""
        return majority(one.word for one in self.judgements)

    @property
    def word(self) -> str | None:
        """The word that stands: people's where they said one (None where they are divided), else the model's."""
        return self.confirmed if self.judgements else self.predicted

    @property
    def by(self) -> str:
        """Who said the word that stands: the people, parted by a semicolon, or ``model``."""
        if not self.judgements:
            return "model" if self.words else ""
        return "; ".join(dict.fromkeys(one.by for one in self.judgements if one.word == self.confirmed and one.by))


@dataclass(frozen=True, slots=True, eq=False)
class LabelledImage:
    """An image with its faces: the path to show, the file, width and height in pixels (None where not looked at).

    ``model`` is a fingerprint and ``vocabulary`` a name. ``error`` says why the image cannot be used.
    """

    path: str
    file: Path
    faces: tuple[FaceLabels, ...] = ()
    model: str = ""
    vocabulary: str = ""
    size: tuple[int, int] | None = None
    error: str | None = None


def face_labels(row: Prediction, vector: NDArray[np.float32] | None = None) -> FaceLabels | None:
    """Return a row's face with its words; None for a row with an error, and for one that says no face was found."""
    return None if row.error is not None or row.face.part == "none" else FaceLabels(row.face, row.labels, (), vector)


def majority(words: Iterable[str]) -> str | None:
    """Return the word that is said most often, or None where there is none or two are said equally often."""
    counts = Counter(words).most_common(2)
    if not counts or (len(counts) > 1 and counts[0][1] == counts[1][1]):
        return None
    return counts[0][0]


class KnownWords:
    """The words of an export by key, with the names to show; an unknown word is its own key and name."""

    def __init__(self, names: Iterable[tuple[str, str]] = ()) -> None:
        self.names: dict[str, str] = {}
        self._spellings: dict[str, str] = {}
        for key, name in names:
            self.add(key, name)

    def add(self, key: str, name: str) -> None:
        """Take a word in; the first name of a key stays."""
        self.names.setdefault(key, name)
        for spelling in (key, name):
            self._spellings.setdefault(fold(spelling), key)

    def add_faces(self, faces: Sequence[FaceLabels]) -> None:
        """Take in every word that the model or people said of faces."""
        for face in faces:
            for word in face.words:
                self.add(word.label, word.name)
            for judgement in face.judgements:
                self.add(judgement.word, judgement.word)

    def add_vocabulary(self, vocabulary: Vocabulary, language: str = "ko") -> None:
        """Take in a vocabulary's words with all their spellings."""
        for label in vocabulary.labels:
            self.add(label.key, label.name(language))
        for label in vocabulary.labels:
            for alias in label.aliases():
                self._spellings.setdefault(fold(alias), label.key)

    def key(self, word: str) -> str:
        """Return the key that a person's spelling means, or the word itself, composed and trimmed."""
        return self._spellings.get(fold(word), nfc(word).strip())

    def name(self, key: str) -> str:
        """Return the name to show for a key."""
        return self.names.get(key, key)
