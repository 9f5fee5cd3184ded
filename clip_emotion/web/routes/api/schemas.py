"""What the API answers with, as its description tells it: rows are those of the command line."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal

from pydantic import BaseModel, Field

from clip_emotion.web.database.tables import Picture, Result

Kind = Literal["label", "score", "interview"]


class Face(BaseModel):
    """Which part of a picture a row speaks of; the box is x, y, width and height in pixels of the upright picture."""

    index: int | None
    box: list[int] | None
    confidence: float | None
    part: str
    note: str


class Word(BaseModel):
    """A ranked word: its key, its shown name, its share of all words, its cosine to the picture."""

    label: str
    name: str
    probability: float
    similarity: float


class Row(BaseModel):
    """A row of ``clip-emotion label --format jsonl``: one picture, or one face of it."""

    path: str
    face: Face
    labels: list[Word]
    model: str
    vocabulary: str
    settings: str
    error: str | None


class Labelled(BaseModel):
    """Rows in the order of the pictures; ``saved`` are the keys of saved results, in the same order."""

    rows: list[Row]
    saved: list[str]


class Scored(BaseModel):
    """Scored chats, each as ``clip-emotion score --format json`` writes it; ``saved`` is the key of the first, kept."""

    conversations: list[dict[str, Any]]
    saved: str | None


class KeptPicture(BaseModel):
    """A kept picture, and the word that a person gave or confirmed."""

    id: str
    name: str
    width: int
    height: int
    corrected: str | None
    confirmed: bool


class Entry(BaseModel):
    """A saved result, without its rows."""

    id: str
    kind: Kind
    created: datetime
    batch: str
    title: str
    vocabulary: str
    language: str
    model: str
    fingerprint: str
    leading: str | None = Field(description="The key of the surest word.")
    leading_name: str | None
    family: str | None = Field(description="The basic emotion of that word.")
    measure: float | None = Field(description="The word's probability, or the chat's score.")
    pictures: list[KeptPicture]


class FullEntry(Entry):
    """A saved result with what is in it: ``rows`` of a label, or the JSON of a score."""

    payload: dict[str, Any]


class Entries(BaseModel):
    """A page of saved results, the newest first; ``next`` is the cursor of the page after it, null at the end."""

    items: list[Entry]
    next: str | None


class Term(BaseModel):
    """A word of a vocabulary: its key, its names and its basic emotions."""

    key: str
    names: dict[str, str]
    families: list[str]


class VocabularyEntry(BaseModel):
    """A shipped vocabulary."""

    name: str
    count: int


class FullVocabulary(VocabularyEntry):
    """A shipped vocabulary with its words."""

    labels: list[Term]


class Vocabularies(BaseModel):
    """The shipped vocabularies."""

    items: list[VocabularyEntry]


class Model(BaseModel):
    """A model that is in use; ``fingerprint`` is the ``model`` of rows."""

    name: str
    fingerprint: str
    languages: list[str]


class Models(BaseModel):
    """The models in use: one a process."""

    items: list[Model]


def entry(result: Result) -> Entry:
    """Return a result as a list shows it; its pictures are loaded."""
    return Entry(**_values(result))


def full_entry(result: Result) -> FullEntry:
    """Return a result with its payload; pictures and payload are loaded."""
    return FullEntry(**_values(result), payload=result.payload)


def _values(result: Result) -> dict[str, Any]:
    names = [name for name in Entry.model_fields if name != "pictures"]
    return {**{name: getattr(result, name) for name in names}, "pictures": [_picture(one) for one in result.pictures]}


def _picture(picture: Picture) -> KeptPicture:
    return KeptPicture(**{name: getattr(picture, name) for name in KeptPicture.model_fields})
