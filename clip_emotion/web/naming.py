"""Names of words and basic emotions in the visitor's language, by their keys."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache

from clip_emotion.label import FAMILIES
from clip_emotion.vocabulary import shipped_vocabularies
from clip_emotion.web.texts import translator
from clip_emotion.web.wording import OTHER, shipped

ORDER = ("happy", "surprise", "neutral", "sad", "fear", "disgust", "contempt", "angry", OTHER)
"""Basic emotions in the order in which charts stack them, and words that belong to none."""


def family_name(key: str, language: str) -> str:
    """Return the name of a basic emotion, or what words are called that belong to none."""
    return word_names("basic8", language)[key] if key in FAMILIES else translator(language)("dashboard.other")


@cache
def word_names(vocabulary: str, language: str) -> Mapping[str, str]:
    """Return the names of a shipped vocabulary's words by their keys; of a user's own words, none."""
    if vocabulary not in shipped_vocabularies():
        return {}
    loaded = shipped(vocabulary)
    return dict(zip(loaded.keys, loaded.names(language), strict=True))
