"""The words that stand for an emotion in training: names, synonyms and lexicon, in both languages and in templates."""

from __future__ import annotations

import hashlib
import random
from collections.abc import Sequence
from dataclasses import dataclass

from clip_emotion.data.lexicon import Concept
from clip_emotion.label import LANGUAGES
from clip_emotion.text import has_hangul
from clip_emotion.vocabulary import Vocabulary

KEPT_OUT = 10
"""One lexicon word in this many is never trained on; how it is understood is the tower's check on new words."""


def is_kept_out(word: str) -> bool:
    """Tell, from a hash of the word alone, whether it belongs to the share that is never trained on."""
    return hashlib.sha256(word.encode()).digest()[0] % KEPT_OUT == 0


@dataclass(frozen=True)
class PromptBank:
    """For each label of a vocabulary, the words that may stand for it in training, per language."""

    vocabulary: Vocabulary
    words: tuple[dict[str, tuple[str, ...]], ...]

    @classmethod
    def of(cls, vocabulary: Vocabulary, lexicon: Sequence[Concept], attribute: str) -> PromptBank:
        """Gather the names and synonyms of each label and the lexicon's words of every concept that stands for it.

        ``attribute`` is the concept's field that holds this vocabulary's labels: ``kote``, ``goemotions``, ``basic``.
        """
        banks = []
        for label in vocabulary.labels:
            bank = {language: dict.fromkeys([label.name(language)]) for language in LANGUAGES}
            for language, synonyms in label.synonyms.items():
                bank[language].update(dict.fromkeys(synonyms))
            for concept in lexicon:
                stands_for = getattr(concept, attribute)
                if label.key == stands_for or (not isinstance(stands_for, str) and label.key in (stands_for or ())):
                    for language, words in concept.words.items():
                        bank[language].update(dict.fromkeys(w for w in words if not is_kept_out(w)))
            banks.append({language: tuple(words) for language, words in bank.items()})
        return cls(vocabulary, tuple(banks))

    def without(self, forbidden: set[str]) -> PromptBank:
        """Return the bank less some words; a label's own name always stays."""
        kept = tuple(
            {
                language: tuple(w for w in words if w not in forbidden or w == label.name(language))
                for language, words in bank.items()
            }
            for label, bank in zip(self.vocabulary.labels, self.words, strict=True)
        )
        return PromptBank(self.vocabulary, kept)

    def draw(self, language: str, rng: random.Random, own_name: float = 0.5) -> list[str]:
        """Draw one prompt a label: its own name with probability ``own_name``, else any word; in any template."""
        drawn = []
        for label, bank in zip(self.vocabulary.labels, self.words, strict=True):
            word = label.name(language) if rng.random() < own_name else rng.choice(bank[language])
            drawn.append(in_template(word, self.vocabulary, rng))
        return drawn


def in_template(word: str, vocabulary: Vocabulary, rng: random.Random) -> str:
    """Put a word bare (half of the time) or into one of the vocabulary's templates of the word's own language."""
    if rng.random() < 0.5:
        return word
    templates = vocabulary.templates.get("ko" if has_hangul(word) else "en", ("{}",))
    return rng.choice(templates).format(word)
