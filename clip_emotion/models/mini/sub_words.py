"""Texts as the mini's text towers take them, without torch: sub-word ids, padded to one length."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from tokenizers import Tokenizer

PAD = 0


def tokenize(tokenizer: Tokenizer, texts: list[str]) -> list[list[int]]:
    """Return each text's sub-word ids, without padding."""
    return [encoding.ids for encoding in tokenizer.encode_batch(texts, add_special_tokens=False)]


def padded(rows: Sequence[Sequence[int]], max_tokens: int) -> NDArray[np.int64]:
    """Pad lists of sub-word ids to the longest (at most ``max_tokens``) → int64 [N, T], T ≥ 1."""
    length = max((min(len(ids), max_tokens) for ids in rows), default=0)
    ids = np.full((len(rows), max(length, 1)), PAD, dtype=np.int64)
    for row, own in zip(ids, rows, strict=True):
        row[: min(len(own), max_tokens)] = own[:max_tokens]
    return ids
