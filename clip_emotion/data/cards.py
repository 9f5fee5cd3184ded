"""Data-set cards: where a data set comes from, under which licence, and how its files are to be read."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import Field, field_validator

from clip_emotion.config import Config, load_config
from clip_emotion.data.path_names import path_fault
from clip_emotion.errors import UsageError
from clip_emotion.resources import datasets_dir
from clip_emotion.text import nearest, nfc

SPLITS = ("train", "validation", "test")
"""The usual splits, in the order in which tables show them."""


class HubSource(Config):
    """A data set on the Hugging Face Hub."""

    id: str
    config: str | None = None
    revision: str | None = None


class KaggleSource(Config):
    """A data set or a competition's data on Kaggle; exactly one of the two is set."""

    dataset: str | None = None
    competition: str | None = None


class Headerless(Config):
    """The columns of a published table that has no header row, and whether its cells are quoted."""

    columns: list[str]
    quoted: bool = True


class Card(Config):
    """What is known of one data set before any of its files is opened.

    ``layouts`` name recipes, tried in order. ``vocabulary`` names the labels (None: the smaller of ``basic7`` and
    ``basic8`` that knows every class); ``label_map`` turns published codes into its keys. ``columns`` give, for each
    of our columns, the headers under which tables file it. ``file_prefixes`` are beginnings of file names that tell
    the split. ``counts`` are the published rows per split, per label where that is published.
    """

    name: str
    title: str
    about: str = ""
    source: str = ""
    licence: str
    citation: str = ""
    kind: Literal["image", "text", "votes"]
    layouts: list[str]
    vocabulary: str | None = None
    label_map: dict[str, str] = Field(default_factory=dict)
    files: list[str] = Field(default_factory=list)
    columns: dict[str, list[str]] = Field(default_factory=dict)
    headerless: Headerless | None = None
    file_prefixes: dict[str, str] = Field(default_factory=dict)
    counts: dict[str, int | dict[str, int]] = Field(default_factory=dict)
    kaggle: KaggleSource | None = None
    hub: HubSource | None = None
    how_to_get: str = ""

    @field_validator("name")
    @classmethod
    def _names_a_folder(cls, name: str) -> str:
        fault = path_fault(name)
        if fault:
            raise ValueError(f"'{name[:60]}' cannot name a folder: {fault}")
        return name

    def expected(self, split: str) -> int | None:
        """Return the published number of rows of a split, or None where none is published."""
        count = self.counts.get(split)
        return sum(count.values()) if isinstance(count, dict) else count


def list_cards() -> dict[str, Path]:
    """Return the names of the data sets that have a card, each with its file, sorted by name."""
    return {path.stem: path for path in sorted(datasets_dir().glob("*.yaml"))}


def load_card(name: str) -> Card:
    """Load a shipped card by its name, or a card of your own by the path of its YAML file.

    Raises UsageError, which lists the known names, for an unknown one, and for a card with faults.
    """
    known = list_cards()
    if name in known:
        return load_config(Card, known[name])
    path = Path(name)
    if path.suffix.lower() in (".yaml", ".yml") and path.is_file():
        return load_config(Card, path)
    near = nearest(name, known)
    meant = f"did you mean {near}? Known" if near else "known"
    raise UsageError(f"Unknown data set '{nfc(name)}': {meant} are {', '.join(known)}, or give a card's .yaml file.")
