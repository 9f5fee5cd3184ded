"""Tables of people and how they come in: users, sessions, access tokens, failed log-ins, audit events."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import JSON, CheckConstraint, ForeignKey, Index, String
from sqlalchemy.orm import Mapped, mapped_column

from clip_emotion.web.database.columns import Base, Key, Moment, Owner, UtcTime

USER, ADMIN = "user", "admin"


class User(Base):
    """A person with an account; ``email`` is folded to lower case, ``password`` is an Argon2id hash."""

    __tablename__ = "users"
    __table_args__ = (CheckConstraint(f"role in ('{USER}', '{ADMIN}')", name="role"),)

    id: Mapped[Key]
    email: Mapped[str] = mapped_column(String(254), unique=True)
    password: Mapped[str] = mapped_column(String(255))
    role: Mapped[str] = mapped_column(String(8), default=USER)
    locked: Mapped[bool] = mapped_column(default=False)
    language: Mapped[str | None] = mapped_column(String(2))
    created: Mapped[Moment]

    @property
    def is_admin(self) -> bool:
        """Whether the person may see the admin's pages."""
        return self.role == ADMIN


class LoginSession(Base):
    """One log-in: its key is the SHA-256 of the random id in the cookie, so that a stolen database opens nothing.

    ``authenticated`` is when the password was last given.
    """

    __tablename__ = "sessions"

    id: Mapped[str] = mapped_column(String(64), primary_key=True)
    owner_id: Mapped[Owner]
    created: Mapped[Moment]
    seen: Mapped[Moment]
    expires: Mapped[datetime] = mapped_column(UtcTime, index=True)
    authenticated: Mapped[Moment]


class AccessToken(Base):
    """A personal access token of the API: shown once, kept as its SHA-256; ``scopes`` are words parted by blanks."""

    __tablename__ = "access_tokens"

    id: Mapped[Key]
    owner_id: Mapped[Owner]
    hash: Mapped[str] = mapped_column(String(64), unique=True)
    name: Mapped[str] = mapped_column(String(80))
    scopes: Mapped[str] = mapped_column(String(200))
    created: Mapped[Moment]
    expires: Mapped[datetime | None] = mapped_column(UtcTime)
    used: Mapped[datetime | None] = mapped_column(UtcTime)
    revoked: Mapped[datetime | None] = mapped_column(UtcTime)


class IdempotencyKey(Base):
    """A write that was done: asked again with the same key, the same answer is given and nothing is done twice.

    ``request`` is the SHA-256 of what was asked; ``status`` is None while the first request still runs.
    """

    __tablename__ = "idempotency_keys"

    owner_id: Mapped[str] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"), primary_key=True)
    key: Mapped[str] = mapped_column(String(200), primary_key=True)
    request: Mapped[str] = mapped_column(String(64))
    status: Mapped[int | None]
    body: Mapped[object | None] = mapped_column(JSON)
    created: Mapped[datetime] = mapped_column(UtcTime, index=True)


class FailedLogin(Base):
    """A log-in that failed: whose account was meant, where it is there, and from which address; kept some weeks."""

    __tablename__ = "failed_logins"

    id: Mapped[Key]
    user_id: Mapped[str | None] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"), index=True)
    address: Mapped[str] = mapped_column(String(64))
    time: Mapped[datetime] = mapped_column(UtcTime, index=True)


class AuditEvent(Base):
    """What was done by whom to whom, without personal content: keys of rows and a word for the deed, nothing else.

    Keys stay when their accounts are gone, so that the trail stays whole; they then lead nowhere.
    """

    __tablename__ = "audit_events"
    __table_args__ = (Index("ix_audit_events_time_id", "time", "id"),)

    id: Mapped[Key]
    time: Mapped[Moment]
    deed: Mapped[str] = mapped_column(String(40))
    actor: Mapped[str | None] = mapped_column(String(22), index=True)
    subject: Mapped[str | None] = mapped_column(String(64))
