"""Which rows are never trained on, decided by their content alone, so that every program comes to the same answer."""

from __future__ import annotations

import hashlib

from clip_emotion.text import fold


def held_out(text: str, one_in: int) -> bool:
    """Tell whether a text belongs to the share of one in ``one_in`` that is kept out of training.

    The hash is of the folded text, so that spellings that differ by case or spaces share one side.
    """
    return int(hashlib.sha256(fold(text).encode()).hexdigest()[:8], 16) % one_in == 0


def image_held_out(sha: str, one_in: int) -> bool:
    """Tell whether a picture, by the hash of its pixels, belongs to the share of one in ``one_in`` that is kept out."""
    return int(sha[:8], 16) % one_in == 0
