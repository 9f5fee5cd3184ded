"""In which language a vocabulary's words are put to an encoder."""

from __future__ import annotations

from clip_emotion.errors import UsageError
from clip_emotion.label import LANGUAGES
from clip_emotion.models.base import ImageTextEncoder
from clip_emotion.vocabulary import Vocabulary


def choose_language(encoder: ImageTextEncoder, vocabulary: Vocabulary, language: str = "auto") -> str:
    """Return the language whose names are used: with ``auto``, Korean where the encoder reads it and the words have it.

    Raises UsageError for an unknown language.
    """
    if language in LANGUAGES:
        return language
    if language != "auto":
        raise UsageError(f"Unknown language '{language}': choose one of auto, {', '.join(LANGUAGES)}.")
    all_korean = all("ko" in label.names or "en" not in label.names for label in vocabulary.labels)
    return "ko" if "ko" in encoder.languages and all_korean else "en"
