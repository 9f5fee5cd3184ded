"""Into how many pieces a tokenizer breaks words: many, or unknown ones, tell that it was not made for them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

BLANK = "▁"
"""What a Unigram tokenizer puts for a space: no piece of a word."""


@dataclass(frozen=True, slots=True)
class WordPieces:
    """How many pieces a word has, and how many of them the tokenizer does not know."""

    pieces: int
    unknown: int = 0


@runtime_checkable
class PieceCounter(Protocol):
    """An encoder that can tell how its tokenizer breaks words."""

    def word_pieces(self, words: Sequence[str]) -> list[WordPieces]:
        """Return the pieces of each word."""
        ...


def count_pieces(tokenizer: Any, words: Sequence[str], unknown: str = "<unk>") -> list[WordPieces]:
    """Return the pieces of each word under a tokenizer of the ``tokenizers`` library."""
    missing = tokenizer.token_to_id(unknown)
    counted = []
    for encoding in tokenizer.encode_batch(list(words), add_special_tokens=False):
        pieces = [number for number, text in zip(encoding.ids, encoding.tokens, strict=True) if text != BLANK]
        counted.append(WordPieces(len(pieces), pieces.count(missing)))
    return counted
