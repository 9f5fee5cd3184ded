"""Korean words as a language model knows them: the morphemes of Kiwi, which kiwipiepy carries; for training.

Kiwi (https://github.com/bab2min/Kiwi, Apache-2.0) tells how alike two morphemes are by the cosine of vectors that it
keeps to itself. Its answers for some landmarks give the vectors back, up to a rotation (Nyström's method; Williams and
Seeger, "Using the Nyström method to speed up kernel machines", 2001).
"""

from __future__ import annotations

import random
import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache, cached_property
from importlib.util import find_spec
from typing import TYPE_CHECKING

import torch
import torch.nn.functional as F
from torch import Tensor

from clip_emotion.errors import UsageError

if TYPE_CHECKING:
    from kiwipiepy import Kiwi

PACKAGE = "kiwipiepy"
MISSING = "The teacher of Korean words is not installed: pip install 'clip-emotion[teacher]'."
TELLING = frozenset({"NNG", "NNP", "NNB", "VV", "VA", "VX", "XR", "MAG", "IC"})
"""Parts of speech that say what a text is about; particles and endings do not."""
ENDINGS = {"VV": ("다",), "VA": ("다",), "XR": ("", "하다", "한"), "NNG": ("",), "MAG": ("",), "IC": ("",)}
"""How morphemes of each part of speech are written as words."""
NOUNS = ("NNG", "MAG", "IC")
COMMON = 45_000
"""The model numbers what occurs often first; what comes later is too rare to be known well."""
LANDMARKS = 320
LEAST = 0.05
"""Directions of the landmarks with a smaller eigenvalue are noise of the model's rounding."""
SYLLABLES = re.compile("[가-힣]+")
ANY = ("사랑", "NNG")
"""A morpheme to ask for all others by."""


@dataclass(frozen=True)
class Morphemes:
    """The model, its morphemes (form and part of speech of each number) and their vectors [M, D], each of length 1."""

    model: Kiwi
    named: dict[int, tuple[str, str]]
    vectors: Tensor

    @cached_property
    def rows(self) -> dict[tuple[str, str], int]:
        """The row of each form and part of speech, of several meanings the commonest."""
        return {name: number for number, name in sorted(self.named.items(), reverse=True)}

    def split(self, texts: Sequence[str]) -> list[list[str]]:
        """Return each text's morphemes, all of them, with their parts of speech."""
        return [[f"{token.form}/{token.tag}" for token in tokens] for tokens in self.model.tokenize(list(texts))]

    def embed(self, texts: Sequence[str]) -> Tensor:
        """Return the mean of each text's telling morphemes [N, D], of length 1, and 0 where none is known."""
        known: list[int] = []
        starts: list[int] = []
        for tokens in self.model.tokenize(list(texts)):
            starts.append(len(known))
            names = [(token.form, _part(token.tag)) for token in tokens]
            known += [self.rows[name] for name in names if name[1] in TELLING and name in self.rows]
        embedded = F.embedding_bag(
            torch.tensor(known, dtype=torch.long), self.vectors, torch.tensor(starts), mode="sum"
        )
        return F.normalize(embedded, dim=1)

    def words(self) -> list[str]:
        """Return the words that common morphemes make, as a dictionary writes them."""
        found = {}
        for number, (form, part) in sorted(self.named.items()):
            whole = part not in NOUNS or len(form) > 1
            if number <= COMMON and part in ENDINGS and whole and SYLLABLES.fullmatch(form):
                found.update(dict.fromkeys(form + ending for ending in ENDINGS[part]))
        return list(found)


def check_morphemes() -> None:
    """Raise UsageError where the package is not installed."""
    if find_spec(PACKAGE) is None:
        raise UsageError(MISSING)


@cache
def load_morphemes() -> Morphemes:
    """Load the model and its morphemes' vectors (half a minute); raises UsageError where it is not installed."""
    check_morphemes()
    from kiwipiepy import Kiwi

    model = Kiwi(model_type="cong")
    everything = 10**6
    named = {like.id: (like.form, _part(like.tag)) for like in model.most_similar_morphemes(ANY, top_n=everything)}
    open_class = sorted(number for number, (_, part) in named.items() if part in ENDINGS)
    landmarks = random.Random(0).sample(open_class, LANDMARKS)
    likeness = torch.zeros(max(named) + 1, LANDMARKS)
    for column, landmark in enumerate(landmarks):
        for like in model.most_similar_morphemes(landmark, top_n=everything):
            likeness[like.id, column] = like.score
        likeness[landmark, column] = 1  # among its own neighbours it is told as unlike
    vectors = from_likeness(likeness, landmarks)
    # All morphemes lie in one narrow cone: only what tells them apart is kept.
    return Morphemes(model, named, F.normalize(vectors - vectors[open_class].mean(dim=0), dim=1))


def from_likeness(likeness: Tensor, landmarks: Sequence[int]) -> Tensor:
    """Return vectors [M, D] whose inner products with the landmarks' are their likeness [M, landmarks]."""
    among = likeness[list(landmarks)].double()
    values, directions = torch.linalg.eigh((among + among.T) / 2)
    kept = values > LEAST
    vectors: Tensor = likeness.double() @ directions[:, kept] / values[kept].sqrt()
    return vectors.float()


def _part(tag: str) -> str:
    """Return a part of speech without the mark of its conjugation."""
    return tag.split("-")[0]
