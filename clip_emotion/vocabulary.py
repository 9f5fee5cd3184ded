"""The user's words: labels with their names in each language, families and prompt templates."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import yaml

from clip_emotion.config import read_yaml, validate
from clip_emotion.errors import UsageError
from clip_emotion.label import Label
from clip_emotion.resources import datasets_dir
from clip_emotion.text import fold, has_hangul, nearest, nfc, read_text
from clip_emotion.vocabulary_file import SubsetFile, VocabularyFile

_COMMA = re.compile("[,，、]")
_NO_COMMA = re.compile(r"[;；|\n\t]")  # what people part words with instead, and no emotion word holds
DEFAULT_TEMPLATES = {
    "ko": ("{}", "{} 표정의 얼굴 사진"),
    "en": ("{}", "a photo of a face with an expression of {}"),
}


@dataclass(frozen=True)
class Vocabulary:
    """An ordered set of labels and the prompt templates that put a label's name into a sentence."""

    name: str
    labels: tuple[Label, ...]
    templates: dict[str, tuple[str, ...]] = field(default_factory=lambda: dict(DEFAULT_TEMPLATES))

    def __post_init__(self) -> None:
        if not self.labels:
            raise UsageError(f"Vocabulary '{self.name}' holds no words: give at least one.")
        seen: set[str] = set()
        for label in self.labels:
            if fold(label.key) in seen:
                raise UsageError(f"Vocabulary '{self.name}' names '{label.key}' twice: remove one of them.")
            seen.add(fold(label.key))

    def __len__(self) -> int:
        return len(self.labels)

    @property
    def keys(self) -> tuple[str, ...]:
        """The labels' keys, in order."""
        return tuple(label.key for label in self.labels)

    def names(self, language: str) -> list[str]:
        """Return each label's name in a language (the other one's where it has none), in order."""
        return [label.name(language) for label in self.labels]

    def prompts(self, language: str) -> list[list[str]]:
        """Return, for each label, its name in every template of the language (the name's own where it differs)."""
        return [self._prompts_of(label, language) for label in self.labels]

    def _prompts_of(self, label: Label, language: str) -> list[str]:
        name = label.name(language)
        return [template.format(name) for template in self.templates_for(label, name)]

    def templates_for(self, label: Label, word: str) -> tuple[str, ...]:
        """Return the templates that take a word for a label: of the word's own language, the label's own first."""
        spoken = "ko" if has_hangul(word) else "en"
        return label.templates.get(spoken) or self.templates.get(spoken, ("{}",))

    def match(self, alias: str) -> Label | None:
        """Find the label that an alias names (angry = anger = 화남), or None; keys and names win over synonyms."""
        wanted = fold(alias)
        for label in self.labels:
            if wanted in (fold(label.key), *map(fold, label.names.values())):
                return label
        return next((label for label in self.labels if wanted in map(fold, label.aliases())), None)

    def index(self, key: str) -> int:
        """Return the position of a key; raises UsageError when it is not in the vocabulary."""
        try:
            return self.keys.index(key)
        except ValueError:
            raise UsageError(f"'{key}' is not in vocabulary '{self.name}': it has {', '.join(self.keys)}.") from None

    def subset(self, keys: Sequence[str], name: str | None = None) -> Vocabulary:
        """Return the vocabulary with only these keys, in their given order."""
        kept = tuple(self.labels[self.index(key)] for key in keys)
        return replace(self, name=name or self.name, labels=kept)

    def to_yaml(self) -> str:
        """Return the vocabulary as a file that ``load`` reads."""
        return yaml.safe_dump(
            {
                "name": self.name,
                "templates": {language: list(lines) for language, lines in self.templates.items()},
                "labels": [_entry(label) for label in self.labels],
            },
            allow_unicode=True,
            sort_keys=False,
        )

    @classmethod
    def from_words(cls, words: Iterable[str], name: str = "own") -> Vocabulary:
        """Make a vocabulary of a user's own words, each its own key; a word's script tells its language."""
        cleaned = [nfc(word).strip() for word in words]
        labels = tuple(Label(key=word, names={"ko" if has_hangul(word) else "en": word}) for word in cleaned if word)
        return cls(name=name, labels=labels)

    @classmethod
    def from_list(cls, text: str) -> Vocabulary:
        """Make a vocabulary of words parted by commas of any width; raises UsageError where other signs part them."""
        words = [word for word in _COMMA.split(text) if word.strip()]
        parts = [part.strip() for part in _NO_COMMA.split(words[0]) if part.strip()] if len(words) == 1 else []
        if len(parts) > 1:
            raise UsageError(f"'{words[0].strip()}' is one word here: part words with commas, '{','.join(parts)}'.")
        return cls.from_words(words)

    @classmethod
    def load(cls, source: str | Path) -> Vocabulary:
        """Load a shipped name, a YAML file, a text file with a word a line, or a comma list of words.

        Raises UsageError when it is none of these, and names the shipped vocabularies.
        """
        text = str(source).strip()
        shipped = shipped_vocabularies()
        if text in shipped:
            return cls._from_yaml(shipped[text])
        path = Path(text)
        if path.suffix.lower() in (".yaml", ".yml", ".txt"):
            if not path.is_file():
                raise UsageError(f"Vocabulary file {path} does not exist.")
            if path.suffix.lower() == ".txt":
                lines = (line.split("#", 1)[0] for line in read_text(path).splitlines())
                return cls.from_words(lines, name=nfc(path.stem))
            return cls._from_yaml(path)
        if _COMMA.search(text):
            return cls.from_list(text)
        meant = f"did you mean {near}? Or " if (near := nearest(text, shipped)) else ""
        raise UsageError(
            f"Unknown vocabulary '{text}': {meant}use one of {', '.join(sorted(shipped))}, a .yaml or .txt file, "
            "or --labels with a comma list of words."
        )

    @classmethod
    def _from_yaml(cls, path: Path) -> Vocabulary:
        values = read_yaml(path)
        base = values.pop("subset_of", None)
        if base is not None:
            return cls._subset_from_yaml(path, str(base), values)
        spec = validate(VocabularyFile, {"name": nfc(path.stem), **values}, str(path))
        labels = tuple(entry.label() for entry in spec.labels)
        templates = {lang: tuple(lines) for lang, lines in spec.templates.items()} or dict(DEFAULT_TEMPLATES)
        return cls(name=spec.name, labels=labels, templates=templates)

    @classmethod
    def _subset_from_yaml(cls, path: Path, base: str, values: dict[str, Any]) -> Vocabulary:
        spec = validate(SubsetFile, {"name": nfc(path.stem), **values}, str(path))
        if base not in shipped_vocabularies():
            raise UsageError(f"{path}: subset_of must name one of {', '.join(shipped_vocabularies())}, not '{base}'.")
        whole = cls.load(base)
        for key in spec.without:
            whole.index(key)
        return whole.subset([key for key in whole.keys if key not in spec.without], name=spec.name)


def _entry(label: Label) -> dict[str, Any]:
    lists = {"families": label.families, "spellings": label.spellings}
    tables = {"synonyms": label.synonyms, "templates": label.templates}
    numbers = {"affection": label.affection, "valence": label.valence, "arousal": label.arousal}
    return {
        "key": label.key,
        **label.names,
        **{name: list(values) for name, values in lists.items() if values},
        **{name: {key: list(own) for key, own in values.items()} for name, values in tables.items() if values},
        **{name: value for name, value in numbers.items() if value is not None},
    }


def shipped_vocabularies() -> dict[str, Path]:
    """Return the names of the vocabularies that come with the project, each with its file."""
    return {path.stem: path for path in sorted((datasets_dir() / "vocabularies").glob("*.yaml"))}
