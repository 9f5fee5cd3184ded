"""The user's words: labels with their names in each language, families and prompt templates."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import yaml
from pydantic import Field, field_validator

from clip_emotion.config import Config, read_yaml, validate
from clip_emotion.errors import UsageError
from clip_emotion.resources import datasets_dir
from clip_emotion.text import fold, has_hangul, nearest, nfc, read_text

LANGUAGES = ("ko", "en")
FAMILIES = ("angry", "contempt", "disgust", "fear", "happy", "neutral", "sad", "surprise")
"""The basic emotions to which a word may belong: the keys of ``basic8``."""
_COMMA = re.compile("[,，、]")
_NO_COMMA = re.compile(r"[;；|\n\t]")  # what people part words with instead, and no emotion word holds
DEFAULT_TEMPLATES = {
    "ko": ("{}", "{} 표정의 얼굴 사진"),
    "en": ("{}", "a photo of a face with an expression of {}"),
}


@dataclass(frozen=True, slots=True)
class Label:
    """One emotion word: a stable key, its name and synonyms per language, families among the basic emotions.

    ``spellings`` are names under which data sets file the label: recognised by ``Vocabulary.match``, never spoken.
    ``templates`` are sentences of its own for a language, in place of the vocabulary's. ``affection`` in [-1, 1] says
    how warm towards the other it is when somebody feels it, where the vocabulary's makers judged that.
    """

    key: str
    names: dict[str, str]
    synonyms: dict[str, tuple[str, ...]] = field(default_factory=dict)
    families: tuple[str, ...] = ()
    spellings: tuple[str, ...] = ()
    templates: dict[str, tuple[str, ...]] = field(default_factory=dict)
    affection: float | None = None

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
        parts = [part.strip() for part in _NO_COMMA.split(text) if part.strip()]
        if len(words) == 1 and len(parts) > 1:
            raise UsageError(f"'{text.strip()}' is one word here: part words with commas, '{','.join(parts)}'.")
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
    return {
        "key": label.key,
        **label.names,
        **{name: list(values) for name, values in lists.items() if values},
        **{name: {key: list(own) for key, own in values.items()} for name, values in tables.items() if values},
        **({} if label.affection is None else {"affection": label.affection}),
    }


class LabelEntry(Config):
    """A label as a vocabulary file writes it: a name in Korean, in English or in both."""

    key: str | None = None
    ko: str | None = None
    en: str | None = None
    synonyms: dict[str, list[str]] = Field(default_factory=dict)
    families: list[str] = Field(default_factory=list)
    spellings: list[str] = Field(default_factory=list)
    templates: dict[str, list[str]] = Field(default_factory=dict)
    affection: float | None = Field(default=None, ge=-1, le=1)

    @field_validator("synonyms")
    @classmethod
    def _known_languages(cls, synonyms: dict[str, list[str]]) -> dict[str, list[str]]:
        _check_languages(synonyms)
        return synonyms

    @field_validator("templates")
    @classmethod
    def _one_place(cls, templates: dict[str, list[str]]) -> dict[str, list[str]]:
        return check_templates(templates)

    @field_validator("families")
    @classmethod
    def _known_families(cls, families: list[str]) -> list[str]:
        for family in set(families) - set(FAMILIES):
            raise ValueError(f"unknown family '{family}', perhaps {nearest(family, FAMILIES) or ', '.join(FAMILIES)}")
        return families

    def label(self) -> Label:
        """Return the record that travels; the first name there is stands in for a missing key."""
        written = {language: nfc(getattr(self, language) or "").strip() for language in LANGUAGES}
        names = {language: name for language, name in written.items() if name}
        synonyms = {language: tuple(map(nfc, words)) for language, words in self.synonyms.items()}
        key = nfc(self.key or "").strip() or names.get("en") or names.get("ko")
        if not key:
            raise UsageError("A label in a vocabulary file has neither key, ko nor en.")
        return Label(
            key=key,
            names=names or {"en": key},
            synonyms=synonyms,
            families=tuple(map(nfc, self.families)),
            spellings=tuple(map(nfc, self.spellings)),
            templates={language: tuple(map(nfc, lines)) for language, lines in self.templates.items()},
            affection=self.affection,
        )


def check_templates(templates: dict[str, list[str]]) -> dict[str, list[str]]:
    """Return templates by language as they are; raises ValueError for one that does not hold {} once."""
    _check_languages(templates)
    for line in (line for lines in templates.values() for line in lines):
        if line.count("{}") != 1 or set("{}") & set(line.replace("{}", "")):
            raise ValueError(f"template '{line}' must hold {{}} once and no other brace")
    return templates


def _check_languages(by_language: Iterable[str]) -> None:
    for language in by_language:
        if language not in LANGUAGES:
            raise ValueError(f"unknown language '{language}', use {' or '.join(LANGUAGES)}")


class VocabularyFile(Config):
    """A vocabulary in YAML: a list of labels (mappings or bare words) and, optionally, templates per language."""

    name: str
    about: str = ""
    labels: list[LabelEntry]
    templates: dict[str, list[str]] = Field(default_factory=dict)

    @field_validator("labels", mode="before")
    @classmethod
    def _bare_words(cls, entries: Any) -> Any:
        if not isinstance(entries, list):
            return entries
        return [{"ko" if has_hangul(entry) else "en": entry} if isinstance(entry, str) else entry for entry in entries]

    @field_validator("templates")
    @classmethod
    def _one_place(cls, templates: dict[str, list[str]]) -> dict[str, list[str]]:
        return check_templates(templates)


class SubsetFile(Config):
    """A vocabulary that is another one less some keys."""

    name: str
    about: str = ""
    without: list[str]


def shipped_vocabularies() -> dict[str, Path]:
    """Return the names of the vocabularies that come with the project, each with its file."""
    return {path.stem: path for path in sorted((datasets_dir() / "vocabularies").glob("*.yaml"))}
