"""Chat text as the text tower reads it best: one spelling for each emoticon, laugh, tear and emoji, and none lost."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from pydantic import Field
from tokenizers import Tokenizer

from clip_emotion.config import Config, validate
from clip_emotion.errors import DataError
from clip_emotion.label import LANGUAGES
from clip_emotion.models.base import ImageTextEncoder
from clip_emotion.resources import datasets_dir
from clip_emotion.text import has_hangul, nfc, read_text
from clip_emotion.yaml_text import parse_yaml
from scoring.emotions.spelling import spell

MAX_CHARACTERS = 1000
"""Where a normalised text is cut: far behind the last sub-word that any text tower here reads."""
PASSES = 12
"""Passes after which a text is taken as settled; ordinary messages need two, the second of which changes nothing."""

COMMON = 0.5
"""The share of a tokenizer's pieces, the commonest first, that count as known."""

_LATIN_WORD = re.compile("[A-Za-z]{2,}")
_SPACE = "▁"

Known = Callable[[str], bool]


class Expression(Config):
    """Signs that stand for one feeling: a near relative that a tokenizer may know, and words in both languages."""

    signs: tuple[str, ...] = Field(min_length=1)
    like: str | None = None
    ko: str = Field(min_length=1)
    en: str = Field(min_length=1)


class ExpressionFile(Config):
    """A table of expressions as its file writes it."""

    expressions: tuple[Expression, ...] = Field(min_length=1)


def load_expressions(path: Path | None = None) -> tuple[Expression, ...]:
    """Read a table of expressions, the shipped one by default.

    Raises UsageError for a malformed file, DataError for a sign that stands twice or that has another usual spelling.
    """
    source = path or datasets_dir() / "lexicon" / "expressions.yaml"
    entries = parse_yaml(read_text(source), str(source))
    table = validate(ExpressionFile, {"expressions": entries}, str(source)).expressions
    faults = list(_faults(table))
    if faults:
        raise DataError(f"{source} has {len(faults)} fault(s): {'; '.join(faults)}.")
    return table


def _faults(table: Sequence[Expression]) -> Iterator[str]:
    seen: set[str] = set()
    for entry in table:
        for sign in entry.signs:
            if sign in seen:
                yield f"'{sign}' stands twice"
            if settle(spell, sign) != sign:
                yield f"'{sign}' is spelt '{settle(spell, sign)}'"
            seen.add(sign)
    known = re.compile("|".join(map(_alone, seen)))
    for entry in table:
        for words in (entry.ko, entry.en):
            if settle(spell, words) != words or known.search(words):
                yield f"'{words}' holds a sign itself"


def settle(step: Callable[[str], str], text: str) -> str:
    """Apply a rewriting step until it changes nothing more."""
    for _ in range(PASSES):
        changed = step(text)
        if changed == text:
            break
        text = changed
    return text


class ExpressionNormaliser:
    """Rewrites a chat message so that its expressions are ones that an encoder knows.

    ``known`` tells whether the encoder's tokenizer knows a sign; every sign counts as known without it. ``languages``
    are those that the encoder reads, best first: a sign becomes words of the message's own language where that is one
    of them, else of the first. The result is NFC, at most ``MAX_CHARACTERS`` long, and normal already.
    """

    def __init__(self, known: Known | None = None, languages: Sequence[str] = ("ko", "en")) -> None:
        self.languages = tuple(language for language in languages if language in LANGUAGES) or LANGUAGES
        self._words = _words_of_unknown(load_expressions(), known) if known else {}
        signs = sorted(self._words, key=len, reverse=True)
        self._unknown = re.compile(rf"({'|'.join(map(_alone, signs))})(?:\s*\1)*") if signs else None

    @classmethod
    def of(cls, encoder: ImageTextEncoder) -> ExpressionNormaliser:
        """Make the normaliser that fits an encoder's tokenizer and languages."""
        tokenizer = getattr(encoder, "tokenizer", None)
        known = known_pieces(tokenizer) if isinstance(tokenizer, Tokenizer) else _in_letters(encoder.languages)
        return cls(known, encoder.languages)

    def __call__(self, text: str) -> str:
        """Return the message with its expressions normalised; empty where it held nothing but links and names."""
        return settle(self._step, text)

    def _step(self, text: str) -> str:
        text = spell(text)
        if self._unknown is not None and self._unknown.search(text):
            words, language = self._words, self._language(self._unknown.sub(" ", text))
            text = self._unknown.sub(lambda found: f" {words[found[1]][language]} ", text)
        return nfc(" ".join(text.split())[:MAX_CHARACTERS].rstrip())

    def _language(self, text: str) -> str:
        own = "ko" if has_hangul(text) else "en" if _LATIN_WORD.search(text) else self.languages[0]
        return own if own in self.languages else self.languages[0]


def known_pieces(tokenizer: Tokenizer) -> Known:
    """Return a test of whether a sign alone is one piece of a Unigram tokenizer, and one of the commoner half.

    Such a tokenizer's pieces stand in the order of their probability. A rare piece has a number, but the encoder has
    hardly ever seen it and leaves it out of account beside any word.
    """
    rarest = tokenizer.get_vocab_size() * COMMON

    def known(sign: str) -> bool:
        pieces = [piece for piece in tokenizer.encode(sign, add_special_tokens=False).tokens if piece != _SPACE]
        if len(pieces) != 1:
            return False
        # An unknown character's piece is the character itself, which no vocabulary holds.
        number = tokenizer.token_to_id(pieces[0])
        return number is not None and number < rarest

    return known


def _in_letters(languages: Sequence[str]) -> Known:
    """Return a test for an encoder whose tokenizer cannot be asked: words are known, and jamo where it reads Korean."""
    return lambda sign: all(c.isascii() or ("ko" in languages and has_hangul(c)) for c in sign) and sign[0] != "("


def _words_of_unknown(table: Sequence[Expression], known: Known) -> dict[str, dict[str, str]]:
    """Return, for each sign that is not known, what stands for it in each language."""
    words = {}
    for entry in table:
        kin = entry.like if entry.like is not None and known(entry.like) else None
        put = {"ko": kin or entry.ko, "en": kin or entry.en}
        words.update({sign: put for sign in entry.signs if sign != kin and not known(sign)})
    return words


def _alone(sign: str) -> str:
    """Return the pattern of a sign that is no part of a longer run of letters."""
    before = after = ""
    for kind in ("[ㄱ-ㅣ]", "[0-9A-Za-z]"):
        before += f"(?<!{kind})" if re.match(kind, sign[0]) else ""
        after += f"(?!{kind})" if re.match(kind, sign[-1]) else ""
    return before + re.escape(sign) + after
