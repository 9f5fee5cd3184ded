"""Words as people see them: vocabularies to choose from, basic emotions of words, comments drawn at random."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from clip_emotion.config import read_yaml
from clip_emotion.errors import DataError
from clip_emotion.label import FAMILIES, LANGUAGES
from clip_emotion.vocabulary import Vocabulary, shipped_vocabularies

COMMENTS = Path(__file__).resolve().parent / "comments.yaml"
FEWEST = 6
"""Comments of each basic emotion in each language."""
OTHER = "other"
"""The comments for words of no basic emotion."""
OFFERED = ("kote44", "basic8", "goemotions28", "kote36", "rated49", "synonyms7")
"""The shipped vocabularies that pages offer, in this order; the first is chosen at the start."""
SHOWN = 8
"""Words of a vocabulary that pages tell."""
FAMILIAR = ("basic8", "kote44", "goemotions28")
"""Where a user's own word is looked for, to know its basic emotion."""


@dataclass(frozen=True)
class Offer:
    """A vocabulary to choose: its name, how many words it has, and some of them."""

    name: str
    count: int
    some: str


@cache
def offers(language: str) -> tuple[Offer, ...]:
    """Return the vocabularies that pages offer, with their first words in a language."""
    loaded = [shipped(name) for name in OFFERED if name in shipped_vocabularies()]
    return tuple(Offer(one.name, len(one), _some(one.names(language))) for one in loaded)


def _some(names: Sequence[str]) -> str:
    return ", ".join(names[:SHOWN]) + (" …" if len(names) > SHOWN else "")


def family_of(vocabulary: Vocabulary, key: str) -> str | None:
    """Return the first basic emotion of a vocabulary's word, also of a user's own word that a shipped one knows."""
    label = vocabulary.labels[vocabulary.index(key)]
    if not label.families:
        found = (known.match(key) for known in map(shipped, FAMILIAR))
        label = next((one for one in found if one is not None and one.families), label)
    return label.families[0] if label.families else None


def comment(family: str | None, language: str, seed: str | None = None) -> str:
    """Return a comment for a basic emotion, drawn at random; the same again with the same seed."""
    drawn = random.Random(seed)
    return drawn.choice(comments()[family or OTHER][language])


@cache
def comments() -> Mapping[str, Mapping[str, tuple[str, ...]]]:
    """Return the comments by basic emotion and language; raises DataError where there are too few."""
    values: dict[str, Any] = read_yaml(COMMENTS)
    found = {
        family: {language: tuple(values.get(family, {}).get(language, ())) for language in LANGUAGES}
        for family in (*FAMILIES, OTHER)
    }
    for family, said in found.items():
        for language, lines in said.items():
            if len(set(lines)) < FEWEST:
                raise DataError(f"{COMMENTS}: '{family}' needs {FEWEST} different comments in '{language}'.")
    return found


@cache
def shipped(name: str) -> Vocabulary:
    """Return a shipped vocabulary, read once."""
    return Vocabulary.load(name)
