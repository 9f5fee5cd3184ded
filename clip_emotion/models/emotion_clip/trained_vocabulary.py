"""The words that a model was trained on, as its checkpoint keeps them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from pydantic import Field

from clip_emotion.config import Config
from clip_emotion.label import Label
from clip_emotion.vocabulary import DEFAULT_TEMPLATES, Vocabulary


class TrainedVocabulary(Config):
    """The words that a model was trained on: each key with its names per language, and the templates they stood in.

    ``label_templates`` are those of a label of its own, where a run chose some.
    """

    name: str
    labels: dict[str, dict[str, str]]
    templates: dict[str, tuple[str, ...]] = Field(default_factory=dict)
    label_templates: dict[str, dict[str, tuple[str, ...]]] = Field(default_factory=dict)

    @classmethod
    def of(cls, vocabulary: Vocabulary) -> TrainedVocabulary:
        """Note down a vocabulary's keys, names and templates."""
        labels = {label.key: dict(label.names) for label in vocabulary.labels}
        own = {label.key: dict(label.templates) for label in vocabulary.labels if label.templates}
        return cls(name=vocabulary.name, labels=labels, templates=dict(vocabulary.templates), label_templates=own)

    def vocabulary(self) -> Vocabulary:
        """Return the words as a vocabulary; raises UsageError where there are none."""
        labels = [
            Label(key, dict(names), templates=dict(self.label_templates.get(key, {})))
            for key, names in self.labels.items()
        ]
        return Vocabulary(self.name, tuple(labels), dict(self.templates) or dict(DEFAULT_TEMPLATES))


def all_aliases(vocabulary: Vocabulary) -> dict[str, tuple[str, ...]]:
    """Return every spelling under which each label may be met, by its key."""
    return {label.key: tuple(dict.fromkeys(label.aliases())) for label in vocabulary.labels}


def known_by(vocabulary: Vocabulary, aliases: Mapping[str, tuple[str, ...]]) -> Vocabulary:
    """Return a vocabulary whose labels are recognised by further spellings."""
    labels = tuple(replace(label, spellings=aliases.get(label.key, ())) for label in vocabulary.labels)
    return replace(vocabulary, labels=labels)
