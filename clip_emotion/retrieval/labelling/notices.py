"""What a person should know of the words before trusting their ranks: one sentence a doubt."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import cache

from clip_emotion.models.base import ImageTextEncoder
from clip_emotion.models.word_pieces import PieceCounter, WordPieces
from clip_emotion.text import fold, has_hangul
from clip_emotion.vocabulary import Vocabulary, shipped_vocabularies

_BETWEEN = re.compile(r"[\s/·ㆍ・]+")
"""What people put between words instead of commas, although one word may hold it too."""
STRANGE, VERY_STRANGE = 0.5, 0.7
"""Pieces a letter from which a word of Latin letters looks strange to a tokenizer: English emotion words have 0.3."""


def word_notices(encoder: ImageTextEncoder, vocabulary: Vocabulary, language: str) -> tuple[str, ...]:
    """Return a sentence for each doubt about a vocabulary's words in a language under an encoder."""
    only = _only_word(vocabulary, language)
    return (*([only] if only else []), *reading_notices(encoder, vocabulary, language))


def reading_notices(encoder: ImageTextEncoder, vocabulary: Vocabulary, language: str) -> tuple[str, ...]:
    """Return a sentence for each doubt whether an encoder reads a vocabulary's words at all."""
    other = _other_language(encoder, vocabulary, language)
    return (other,) if other else _strange_words(encoder, vocabulary, language)


def _only_word(vocabulary: Vocabulary, language: str) -> str:
    if len(vocabulary) > 1:
        return ""
    word = vocabulary.names(language)[0]
    parts = [part for part in _BETWEEN.split(word) if part]
    meant = f" If '{word}' are {len(parts)} words, part them with commas: '{','.join(parts)}'." if parts[1:] else ""
    return f"'{word}' is the only word, and so it gets 100 % whatever the picture: give two or more.{meant}"


def _other_language(encoder: ImageTextEncoder, vocabulary: Vocabulary, language: str) -> str:
    """Doubt words that stand under a language which the encoder does not read."""
    unread = [
        label.name(language)
        for label in vocabulary.labels
        if (language if language in label.names else next(iter(label.names))) not in encoder.languages
    ]
    return _mean_little(encoder, unread) if unread else ""


def _strange_words(encoder: ImageTextEncoder, vocabulary: Vocabulary, language: str) -> tuple[str, ...]:
    """Doubt words that the encoder's tokenizer does not know, or breaks into little more than letters."""
    if not isinstance(encoder, PieceCounter) or vocabulary.name in shipped_vocabularies():
        return ()
    shipped = _shipped_words()
    words = [name for name in vocabulary.names(language) if fold(name) not in shipped]
    pieces = dict(zip(words, encoder.word_pieces(words), strict=True))
    strange = [word for word in words if pieces[word].unknown or _strangeness(word, pieces[word]) >= STRANGE]
    if any(not pieces[word].unknown for word in strange):
        taught = _taught_words()
        strange = [word for word in strange if pieces[word].unknown or fold(word) not in taught]
    if 2 * len(strange) < len(vocabulary):
        # One odd word among many that are read may be a rare one; letters strung together are none.
        strange = [word for word in strange if pieces[word].unknown or _strangeness(word, pieces[word]) >= VERY_STRANGE]
    return (_mean_little(encoder, strange, "seems to read"),) if strange else ()


def _strangeness(word: str, pieces: WordPieces) -> float:
    """Return the pieces a letter; Korean syllables are pieces of their own and tell nothing."""
    letters = len("".join(word.split()))
    return 0.0 if has_hangul(word) or not letters else pieces.pieces / letters


@cache
def _shipped_words() -> frozenset[str]:
    loaded = (Vocabulary.load(name) for name in shipped_vocabularies())
    return frozenset(fold(alias) for vocabulary in loaded for label in vocabulary.labels for alias in label.aliases())


@cache
def _taught_words() -> frozenset[str]:
    """Return the words that the bundled model was taught, which it knows however it spells them."""
    from clip_emotion.data.lexicon import load_lexicon

    return frozenset(fold(word) for one in load_lexicon() for words in one.words.values() for word in words)


def _mean_little(encoder: ImageTextEncoder, words: Sequence[str], reads: str = "reads") -> str:
    few = ", ".join(words[:3]) + (" …" if len(words) > 3 else "")
    return (
        f"Model {encoder.name} {reads} {' and '.join(encoder.languages)} only; its answers for {few} mean little: "
        "use --model mini, a multilingual model, or words that it reads."
    )
