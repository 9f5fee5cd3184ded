"""What a user may have meant by a name that is none: the nearest of the names there are."""

from __future__ import annotations

from clip_emotion.text import nearest
from clip_emotion.vocabulary import Vocabulary


def label_hint(vocabulary: Vocabulary, name: str) -> str:
    """Return the end of a sentence on a name that is no label: the nearest alias, or else all keys."""
    near = nearest(name, (alias for label in vocabulary.labels for alias in label.aliases()))
    return f"perhaps '{near}'" if near else f"it has {', '.join(vocabulary.keys)}"
