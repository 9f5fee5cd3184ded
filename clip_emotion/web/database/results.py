"""Tables of what people made: results of labelling, scoring and interviews, their pictures and documents."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any

from sqlalchemy import JSON, CheckConstraint, Date, ForeignKey, Index, LargeBinary, String
from sqlalchemy.orm import Mapped, mapped_column, relationship

from clip_emotion.web.database.columns import Base, Key, Moment, Owner, UtcTime, now, random_key

LABEL, SCORE, INTERVIEW = "label", "score", "interview"


class Result(Base):
    """One result: a labelled picture, a scored chat, or an interview's report.

    ``batch`` is shared by the results of one upload. ``payload`` holds ``{"rows": […]}``, the command line's own rows
    of ``label``, or the JSON of ``score``, and is loaded only when it is asked for. ``leading`` is the key and
    ``leading_name`` the shown name of the surest word of the largest face, ``family`` its first basic emotion,
    ``measure`` its probability; a chat's ``measure`` is its score. ``day`` is the date of ``created`` in UTC.
    """

    __tablename__ = "results"
    __table_args__ = (
        CheckConstraint(f"kind in ('{LABEL}', '{SCORE}', '{INTERVIEW}')", name="kind"),
        Index("ix_results_listed", "owner_id", "saved", "created", "id", "kind", "vocabulary", "leading", "family"),
        Index("ix_results_counted", "owner_id", "saved", "kind", "day", "family", "leading", "vocabulary"),
        Index("ix_results_unsaved", "saved", "created"),
        Index("ix_results_shared", "owner_id", "saved", "kind", "vocabulary", "leading", "family"),
    )

    id: Mapped[Key]
    owner_id: Mapped[Owner]
    batch: Mapped[str] = mapped_column(String(22), index=True, default=random_key)
    kind: Mapped[str] = mapped_column(String(9))
    created: Mapped[Moment]
    day: Mapped[date] = mapped_column(Date, default=lambda: now().date())
    saved: Mapped[bool] = mapped_column(default=False)
    title: Mapped[str] = mapped_column(String(200), default="")
    vocabulary: Mapped[str] = mapped_column(String(80), default="")
    language: Mapped[str] = mapped_column(String(2), default="ko")
    model: Mapped[str] = mapped_column(String(200))
    fingerprint: Mapped[str] = mapped_column(String(128))
    leading: Mapped[str | None] = mapped_column(String(80))
    leading_name: Mapped[str | None] = mapped_column(String(80))
    family: Mapped[str | None] = mapped_column(String(16))
    measure: Mapped[float | None]
    payload: Mapped[dict[str, Any]] = mapped_column(JSON, deferred=True, deferred_raiseload=False)

    pictures: Mapped[list[Picture]] = relationship(
        back_populates="result", cascade="all, delete-orphan", passive_deletes=True, order_by="Picture.position"
    )


class Picture(Base):
    """A kept picture: ``file`` is its random name in the folder of pictures, ``thumbnail`` a small WebP.

    ``width`` and ``height`` are those of the picture as it was labelled, in whose pixels face boxes are; the kept file
    may be smaller, of the same shape. ``corrected`` is the word that a person gave or confirmed, ``confirmed`` whether
    it is the model's own. ``time`` is the second of a video or rehearsal that it shows.
    """

    __tablename__ = "pictures"
    __table_args__ = (Index("ix_pictures_reviewed", "owner_id", "reviewed", "id"),)

    id: Mapped[Key]
    owner_id: Mapped[Owner]
    result_id: Mapped[str] = mapped_column(ForeignKey("results.id", ondelete="CASCADE"), index=True)
    position: Mapped[int] = mapped_column(default=0)
    file: Mapped[str] = mapped_column(String(40), unique=True)
    name: Mapped[str] = mapped_column(String(200), default="")
    width: Mapped[int]
    height: Mapped[int]
    size: Mapped[int] = mapped_column(default=0)
    thumbnail: Mapped[bytes] = mapped_column(LargeBinary, deferred=True)
    time: Mapped[float | None]
    corrected: Mapped[str | None] = mapped_column(String(80))
    confirmed: Mapped[bool] = mapped_column(default=False)
    reviewed: Mapped[datetime | None] = mapped_column(UtcTime)
    reviewer_id: Mapped[str | None] = mapped_column(ForeignKey("users.id", ondelete="SET NULL"))

    result: Mapped[Result] = relationship(back_populates="pictures")


class Document(Base):
    """A page or text that belongs to a result, compressed with zlib: ``page`` (HTML), ``text`` (the chat, if kept)."""

    __tablename__ = "documents"

    result_id: Mapped[str] = mapped_column(ForeignKey("results.id", ondelete="CASCADE"), primary_key=True)
    kind: Mapped[str] = mapped_column(String(16), primary_key=True)
    content: Mapped[bytes] = mapped_column(LargeBinary)
