"""The mini's sub-word tokenizer: how it is trained, and into which halves its sub-words can be cut."""

from __future__ import annotations

import random
from collections.abc import Iterable, Sequence

from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers


def train_tokenizer(texts: Iterable[str], size: int) -> Tokenizer:
    """Train a Unigram tokenizer (1804.10959), NFKC and lower-cased, with id 0 for padding and 1 for the unknown."""
    tokenizer = Tokenizer(models.Unigram())
    tokenizer.normalizer = normalizers.Sequence([normalizers.NFKC(), normalizers.Lowercase()])
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence([pre_tokenizers.Metaspace(), pre_tokenizers.Digits(True)])
    tokenizer.decoder = decoders.Metaspace()
    trainer = trainers.UnigramTrainer(
        vocab_size=size, special_tokens=["<pad>", "<unk>"], unk_token="<unk>", max_piece_length=12, show_progress=False
    )
    tokenizer.train_from_iterator(texts, trainer)
    return tokenizer


def token_halves(tokenizer: Tokenizer) -> list[list[tuple[int, int]]]:
    """For each sub-word, list the pairs of sub-words that it can be cut into."""
    pieces = tokenizer.get_vocab()
    halves: list[list[tuple[int, int]]] = [[] for _ in range(max(pieces.values()) + 1)]
    for piece, number in pieces.items():
        for at in range(1, len(piece)):
            left, right = pieces.get(piece[:at]), pieces.get(piece[at:])
            # A lone word mark carries no meaning.
            if left is not None and right is not None and piece[:at] != "▁":
                halves[number].append((left, right))
    return halves


def cut_tokens(
    ids: Sequence[int], halves: Sequence[Sequence[tuple[int, int]]], share: float, rng: random.Random
) -> list[int]:
    """Return a text's sub-words, each cut in two with probability ``share`` where it can be (1804.10959)."""
    cut: list[int] = []
    for token in ids:
        pairs = halves[token]
        cut.extend(rng.choice(pairs) if pairs and rng.random() < share else (token,))
    return cut


def drop_tokens(ids: list[int], share: float, rng: random.Random) -> list[int]:
    """Return a text's sub-words less those dropped with probability ``share``; three or fewer all stay."""
    kept = 1 - share
    thinned = [token for token in ids if rng.random() < kept] if len(ids) > 3 else ids
    return thinned or ids
