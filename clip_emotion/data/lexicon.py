"""The bilingual lexicon of emotion words: extra training texts, checked before a model is taught any of them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Literal

from pydantic import Field

from clip_emotion.config import Config, validate
from clip_emotion.errors import DataError
from clip_emotion.resources import datasets_dir
from clip_emotion.text import fold, read_text
from clip_emotion.vocabulary import Vocabulary
from clip_emotion.yaml_text import parse_yaml

HELD_OUT_VOCABULARY = "synonyms7"
"""The words that zero-shot checks ask for; a lexicon that teaches one of them would make that check worthless."""

Language = Literal["ko", "en"]
Words = tuple[str, ...]


class Concept(Config):
    """One emotion in both languages: the labels that it stands for, its definition and the words that name it.

    ``faces`` are the basic expressions that show it where no single one does, or more than one.
    """

    concept: str = Field(min_length=1)
    basic: str | None
    faces: Words = ()
    kote: Words = ()
    goemotions: Words = ()
    definition: Mapping[Language, str]
    words: Mapping[Language, Words]

    @property
    def shown(self) -> Words:
        """The basic expressions that show the concept, none of which may be wrong."""
        return self.faces or ((self.basic,) if self.basic else ())

    def texts(self) -> Iterator[str]:
        """Yield every text that a model may be taught: definitions, then words."""
        yield from self.definition.values()
        for words in self.words.values():
            yield from words


class LexiconFile(Config):
    """A lexicon as its file writes it: a list of concepts."""

    concepts: tuple[Concept, ...] = Field(min_length=1)


def load_lexicon(path: Path | None = None) -> tuple[Concept, ...]:
    """Read a lexicon, the shipped one by default, in its file's order.

    Raises UsageError for a malformed file, and DataError for an unknown label, a language that is missing, a word
    that stands twice, or a word of the held-out vocabulary ``synonyms7``.
    """
    source = path or datasets_dir() / "lexicon" / "emotion_words.yaml"
    entries = parse_yaml(read_text(source), str(source))
    concepts = validate(LexiconFile, {"concepts": entries}, str(source)).concepts
    faults = [*_unknown_labels(concepts), *_missing_languages(concepts), *_repeated(concepts), *_held_out(concepts)]
    if faults:
        raise DataError(f"{source} has {len(faults)} fault(s): {'; '.join(faults)}.")
    return concepts


class MoreWords(Config):
    """Further words of a concept that another file defines, and the expressions that show it."""

    faces: Words = ()
    en: Words = Field(min_length=1)
    ko: Words = Field(min_length=1)


class MoreWordsFile(Config):
    """Further words as their file writes them, by concept."""

    concepts: Mapping[str, MoreWords]


def load_everyday(lexicon: Sequence[Concept], path: Path | None = None) -> tuple[Concept, ...]:
    """Read further words for a lexicon's concepts, the shipped ones by default: the same concepts with those words.

    Raises UsageError for a malformed file, and DataError for an unknown concept or expression, a word that stands
    twice or in the lexicon, or a word of the held-out vocabulary.
    """
    source = path or datasets_dir() / "lexicon" / "everyday_words.yaml"
    entries = parse_yaml(read_text(source), str(source))
    more = validate(MoreWordsFile, {"concepts": entries}, str(source)).concepts
    known = {entry.concept: entry for entry in lexicon}
    strange = [f"'{name}' is no concept of the lexicon" for name in more if name not in known]
    concepts = tuple(
        known[name].model_copy(update={"faces": words.faces, "words": {"ko": words.ko, "en": words.en}})
        for name, words in more.items()
        if name in known
    )
    faults = [*strange, *_unknown_labels(concepts), *_repeated([*lexicon, *concepts]), *_held_out(concepts)]
    if faults:
        raise DataError(f"{source} has {len(faults)} fault(s): {'; '.join(faults)}.")
    return concepts


def _unknown_labels(concepts: Iterable[Concept]) -> Iterator[str]:
    known = {name: set(Vocabulary.load(name).keys) for name in ("basic8", "kote44", "goemotions28")}
    for entry in concepts:
        named = {
            "basic8": entry.shown,
            "kote44": entry.kote,
            "goemotions28": entry.goemotions,
        }
        for vocabulary, labels in named.items():
            for label in sorted(set(labels) - known[vocabulary]):
                yield f"{entry.concept}: '{label}' is not in {vocabulary}"


def _missing_languages(concepts: Iterable[Concept]) -> Iterator[str]:
    for entry in concepts:
        for field in ("definition", "words"):
            for language in ("ko", "en"):
                if not getattr(entry, field).get(language):
                    yield f"{entry.concept}: {field}.{language} is missing"


def _repeated(concepts: Iterable[Concept]) -> Iterator[str]:
    first: dict[str, str] = {}
    for entry in concepts:
        for words in entry.words.values():
            for word in words:
                if fold(word) in first:
                    yield f"{entry.concept}: '{word}' stands in {first[fold(word)]} already"
                first.setdefault(fold(word), entry.concept)


def _held_out(concepts: Iterable[Concept]) -> Iterator[str]:
    kept = [fold(name) for label in Vocabulary.load(HELD_OUT_VOCABULARY).labels for name in label.names.values()]
    for entry in concepts:
        for text in entry.texts():
            folded = fold(text)
            for word in kept:
                if word in folded:
                    yield f"{entry.concept}: '{text}' holds '{word}', which must stay unseen"
