"""One emotion word: its names and synonyms in each language, and the basic emotions that it belongs to."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

LANGUAGES = ("ko", "en")
FAMILIES = ("angry", "contempt", "disgust", "fear", "happy", "neutral", "sad", "surprise")
"""The basic emotions to which a word may belong: the keys of ``basic8``."""


@dataclass(frozen=True, slots=True)
class Label:
    """One emotion word: a stable key, its name and synonyms per language, families among the basic emotions.

    ``spellings`` are names under which data sets file the label: recognised by ``Vocabulary.match``, never spoken.
    ``templates`` are sentences of its own for a language, in place of the vocabulary's. ``affection`` in [-1, 1] says
    how warm towards the other it is when somebody feels it, where the vocabulary's makers judged that. ``valence``
    (unpleasant to pleasant) and ``arousal`` (calm to excited) in [-1, 1] are people's ratings of the word, where there
    are any.
    """

    key: str
    names: dict[str, str]
    synonyms: dict[str, tuple[str, ...]] = field(default_factory=dict)
    families: tuple[str, ...] = ()
    spellings: tuple[str, ...] = ()
    templates: dict[str, tuple[str, ...]] = field(default_factory=dict)
    affection: float | None = None
    valence: float | None = None
    arousal: float | None = None

    def name(self, language: str) -> str:
        """Return the name in a language, or the one name there is."""
        return self.names.get(language) or next(iter(self.names.values()))

    def aliases(self) -> Iterable[str]:
        """Yield every spelling under which this label may be met: key, names, synonyms, spellings."""
        yield self.key
        yield from self.names.values()
        for words in self.synonyms.values():
            yield from words
        yield from self.spellings
