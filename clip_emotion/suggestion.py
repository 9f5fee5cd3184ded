"""What a user may have meant by a name that is none: the nearest of the names there are."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches

from clip_emotion.text import fold
from clip_emotion.vocabulary import Vocabulary

LIKENESS = 0.4
"""The least likeness, difflib's ratio in [0, 1], that is worth a suggestion."""


def nearest(name: str, known: Iterable[str]) -> str | None:
    """Return the known name that is most like another one whatever its case and spacing, or None."""
    spellings = {fold(one): one for one in known}
    near = get_close_matches(fold(name), spellings, n=1, cutoff=LIKENESS)
    return spellings[near[0]] if near else None


def label_hint(vocabulary: Vocabulary, name: str) -> str:
    """Return the end of a sentence on a name that is no label: the nearest alias, or else all keys."""
    near = nearest(name, (alias for label in vocabulary.labels for alias in label.aliases()))
    return f"perhaps '{near}'" if near else f"it has {', '.join(vocabulary.keys)}"
