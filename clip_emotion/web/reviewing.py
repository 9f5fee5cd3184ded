"""Review: which picture comes next, what a person said of it, and how that is taken back.

A review speaks of the largest face of a saved picture, whose surest word leads its result. Pictures come in the order
of their random keys, so that those of one upload do not follow each other.
"""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import Select, func, select
from sqlalchemy.orm import Session, contains_eager, undefer

from clip_emotion.vocabulary import shipped_vocabularies
from clip_emotion.web.database.owned import owned
from clip_emotion.web.database.tables import LABEL, Picture, Result, User, now
from clip_emotion.web.naming import word_names
from clip_emotion.web.wording import shipped

LONGEST = 80


@dataclass(frozen=True)
class Progress:
    """How many pictures were reviewed, and how many there are."""

    done: int
    total: int


def waiting(db: Session, owner_id: str, after: str = "") -> Picture | None:
    """Return the next picture that nobody reviewed, behind a key, with its result and rows."""
    query = _pictures(owner_id).where(Picture.reviewed.is_(None), Picture.id > after)
    return db.scalars(query.order_by(Picture.id).limit(1)).one_or_none()


def last_reviewed(db: Session, owner_id: str) -> str | None:
    """Return the key of the picture that was reviewed last."""
    query = select(Picture.id).where(Picture.owner_id == owner_id, Picture.reviewed.is_not(None))
    return db.scalars(query.order_by(Picture.reviewed.desc(), Picture.id.desc()).limit(1)).one_or_none()


def picture_of(db: Session, owner: User, key: str) -> Picture:
    """Return a saved picture of the owner's with its result and rows; raises HTTPException with 404 for any other."""
    owned(db, Picture, key, owner)
    found = db.scalars(_pictures(owner.id).where(Picture.id == key)).one_or_none()
    return found or owned(db, Picture, "", owner)


def progress(db: Session, owner_id: str) -> Progress:
    """Count what was reviewed, and all there is; both are found in indexes alone."""
    reviewed = select(func.count()).where(Picture.owner_id == owner_id, Picture.reviewed.is_not(None))
    mine = (Result.owner_id == owner_id) & Result.saved.is_(True) & (Result.kind == LABEL)
    return Progress(db.scalar(reviewed) or 0, db.scalar(select(func.count()).where(mine)) or 0)


def settle(picture: Picture, word: str | None, reviewer: User) -> None:
    """Note what a person said of a picture: a word, or None where no word fits; ``confirmed`` if it is the model's."""
    picture.corrected = word
    picture.confirmed = word is not None and word == picture.result.leading
    picture.reviewed, picture.reviewer_id = now(), reviewer.id


def take_back(picture: Picture) -> None:
    """Forget what a person said of a picture."""
    picture.corrected, picture.confirmed = None, False
    picture.reviewed = picture.reviewer_id = None


def word_of(result: Result, text: str) -> str | None:
    """Return the key that a person's spelling means in a result's vocabulary, else the spelling; None for none."""
    said = text.strip()[:LONGEST]
    if said and result.vocabulary in shipped_vocabularies():
        found = shipped(result.vocabulary).match(said)
        return found.key if found else said
    return said or None


def candidates(result: Result, language: str) -> list[tuple[str, str]]:
    """Return keys and names of the model's words for the largest face, the surest first."""
    names = word_names(result.vocabulary, language)
    labels = result.payload["rows"][0]["labels"]
    return [(one["label"], names.get(one["label"], one["name"])) for one in labels]


def _pictures(owner_id: str) -> Select[Picture]:
    query = select(Picture).join(Picture.result).where(Picture.owner_id == owner_id)
    query = query.where(Result.saved.is_(True), Result.kind == LABEL)
    return query.options(contains_eager(Picture.result).options(undefer(Result.payload)))
