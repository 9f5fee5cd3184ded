"""What pages say, in both languages: one YAML file a family of pages, ``key: {ko: …, en: …}``."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path

from clip_emotion.config import read_yaml
from clip_emotion.errors import DataError
from clip_emotion.label import LANGUAGES

FOLDER = Path(__file__).resolve().parent / "texts"
Translate = Callable[..., str]
"""A key, and values for the places in its text → the text."""


@cache
def all_texts() -> Mapping[str, Mapping[str, str]]:
    """Return every text by its key (``account.title`` stands in ``account.yaml`` under ``title``) and language.

    Raises DataError where a text lacks a language.
    """
    found: dict[str, Mapping[str, str]] = {}
    for path in sorted(FOLDER.glob("*.yaml")):
        for key, said in read_yaml(path).items():
            if not isinstance(said, dict) or set(said) != set(LANGUAGES):
                raise DataError(f"{path}: '{key}' needs a text in each of {', '.join(LANGUAGES)}.")
            found[f"{path.stem}.{key}"] = said
    return found


@cache
def translator(language: str) -> Translate:
    """Return what says texts in a language: ``t("label.count", count=3)``; raises KeyError for an unknown key.

    Of a ``count`` of 1 the text is said that stands under the same key with ``_one``, where there is one.
    """

    def translate(key: str, **values: object) -> str:
        key = f"{key}_one" if str(values.get("count")) == "1" and f"{key}_one" in all_texts() else key
        said = all_texts()[key][language]
        return said.format(**values) if values else said

    return translate


def preferred(accepted: str, languages: tuple[str, ...]) -> str:
    """Return the language of an Accept-Language header that the site speaks best, else its first one.

    >>> preferred("de, en;q=0.8, ko;q=0.5", ("ko", "en"))
    'en'
    """
    weighed: list[tuple[float, int, str]] = []
    for place, part in enumerate(accepted[:400].split(",")):
        name, _, weight = part.strip().partition(";q=")
        known = name.strip().casefold().split("-")[0]
        if known in languages:
            weighed.append((-_number(weight), place, known))
    return min(weighed)[2] if weighed else languages[0]


def _number(weight: str) -> float:
    try:
        return min(1.0, max(0.0, float(weight))) if weight else 1.0
    except ValueError:
        return 0.0
