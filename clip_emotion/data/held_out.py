"""Which rows are never trained on, decided by their content alone, so that every program comes to the same answer."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from clip_emotion.text import fold

DIGITS = 8
"""How many hexadecimal digits of a hash decide."""


def is_held_out(sha: str, one_in: int, place: int = 0) -> bool:
    """Tell whether a content, by the hexadecimal digits of its hash from ``place`` on, is one of every ``one_in``.

    Shares that start at different places are independent of each other.
    """
    return int(sha[place : place + DIGITS], 16) % one_in == 0


def hash_share(hashes: Sequence[str], one_in: int, place: int = 0) -> NDArray[np.bool_]:
    """Mark one row in ``one_in`` as ``is_held_out`` does, [N] bool, whatever the order of the rows."""
    return np.array([is_held_out(sha, one_in, place) for sha in hashes], dtype=np.bool_)


def text_held_out(text: str, one_in: int) -> bool:
    """Tell whether a text belongs to the share of one in ``one_in`` that is kept out of training.

    The hash is of the folded text, so that spellings that differ by case or spaces share one side.
    """
    return is_held_out(hashlib.sha256(fold(text).encode()).hexdigest(), one_in)
