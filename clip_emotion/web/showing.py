"""Rows of ``label`` as pages show them: bars, boxes, remarks and a comment."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from clip_emotion.data.faces.parts import NO_FACE
from clip_emotion.errors import DataError, UsageError
from clip_emotion.retrieval.labelling.contact_sheet import KOREAN_NOTES
from clip_emotion.retrieval.labelling.image_faults import kind_of_fault
from clip_emotion.web.database.tables import Result
from clip_emotion.web.labelling import LONGEST_WORD, MOST_WORDS
from clip_emotion.web.texts import translator
from clip_emotion.web.wording import comment

UNREADABLE = ("heic", "format", "empty", "large")
"""Kinds of faults that pages tell (``label.unreadable_…``), without a command line; any other reads as damage."""
_CLAUSES = re.compile(r"(?<=[.:;]) ")


@dataclass(frozen=True)
class Bar:
    """A word with its probability, as text and as the width of a bar in percent."""

    name: str
    share: str
    width: str


@dataclass(frozen=True)
class Face:
    """One row: the face's box in the labelled picture's pixels, None for the whole picture, its words and a remark."""

    box: list[int] | None
    bars: tuple[Bar, ...]
    note: str
    faceless: bool


@dataclass(frozen=True)
class Card:
    """A labelled picture as a page shows it."""

    key: str
    name: str
    source: str
    width: int
    height: int
    faces: tuple[Face, ...]
    comment: str
    error: str | None


def card(
    rows: Sequence[dict[str, Any]], source: str, size: tuple[int, int], family: str | None, language: str, key: str = ""
) -> Card:
    """Return a picture's card from its rows; ``source`` is the picture's address, ``size`` that of the labelled one."""
    error = unreadable(rows[0]["error"], language)
    said = "" if error or not rows[0]["labels"] else comment(family, language, key or None)
    faces = () if error else tuple(face(row, language) for row in rows)
    return Card(key, rows[0]["path"], source, *size, faces, said, error)


def shown(result: Result, language: str) -> Card:
    """Return a labelled picture as pages show it; payload and pictures are loaded."""
    picture = result.pictures[0] if result.pictures else None
    source = f"/pictures/{picture.id}" if picture else ""
    size = (picture.width, picture.height) if picture else (0, 0)
    return card(result.payload["rows"], source, size, result.family, language, result.id)


def unreadable(error: str | None, language: str) -> str | None:
    """Return in a person's language why a picture cannot be read; None where it can."""
    if error is None:
        return None
    kind = kind_of_fault(error)
    why = kind if kind in UNREADABLE else "damaged"
    t = translator(language)
    return f"{t('label.unreadable')} {t(f'label.unreadable_{why}')}"


def words_fault(error: UsageError, language: str) -> str:
    """Return in a person's language why words cannot be taken; the house's own sentence is English."""
    if language == "en":
        return str(error)
    return translator(language)("label.words_wrong", words=MOST_WORDS, letters=LONGEST_WORD)


def chat_fault(error: DataError, language: str) -> str:
    """Return in a person's language why a chat cannot be read; the reader's own sentence is English.

    What that says of the command line's options is left out, and the fields of the page are told instead.
    """
    t = translator(language)
    clauses = _CLAUSES.split(str(error))
    kept = [one for one in clauses if "--" not in one]
    by_hand = t("score.unreadable_by_hand", fields=t("score.by_hand")) if len(kept) < len(clauses) else ""
    reader = f"{' '.join(kept).rstrip('.:;')}." if kept and language == "en" else ""
    advice = by_hand or ("" if language == "en" else t("score.unreadable_advice"))
    return " ".join(filter(None, (t("score.unreadable"), reader, advice)))


def face(row: dict[str, Any], language: str) -> Face:
    """Return one row as a page shows it."""
    region = row["face"]
    note = region["note"]
    shown = KOREAN_NOTES.get(note, "") if language == "ko" else note
    return Face(region["box"], tuple(map(bar, row["labels"])), shown, note == NO_FACE)


def bar(label: dict[str, Any]) -> Bar:
    """Return a word's bar."""
    value = float(label["probability"])
    return Bar(label["name"], percent(value), f"{100 * min(max(value, 0.0), 1.0):.1f}")


def percent(value: float) -> str:
    """Return a share as text."""
    return f"{value:.0%}" if value >= 0.0995 else f"{value:.1%}"
