"""A vocabulary as a YAML file holds it, checked before it becomes one."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from pydantic import Field, field_validator

from clip_emotion.config import Config
from clip_emotion.errors import UsageError
from clip_emotion.label import FAMILIES, LANGUAGES, Label
from clip_emotion.text import has_hangul, nearest, nfc


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
    valence: float | None = Field(default=None, ge=-1, le=1)
    arousal: float | None = Field(default=None, ge=-1, le=1)

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
            valence=self.valence,
            arousal=self.arousal,
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
