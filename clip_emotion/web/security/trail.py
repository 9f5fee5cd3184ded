"""The audit trail and the list of failed log-ins."""

from __future__ import annotations

from datetime import timedelta

from sqlalchemy import delete
from sqlalchemy.orm import Session

from clip_emotion.web.database.tables import AuditEvent, FailedLogin, now


def record(db: Session, deed: str, actor: str | None, subject: str | None = None) -> None:
    """Write a deed into the trail, in the transaction that does it; keys of rows only, never personal content.

    Deeds are words such as ``login``, ``password.changed``, ``result.deleted``.
    """
    db.add(AuditEvent(deed=deed, actor=actor, subject=subject))


def record_failure(db: Session, user_id: str | None, address: str) -> None:
    """Write down a log-in that failed."""
    db.add(FailedLogin(user_id=user_id, address=address[:64], time=now()))


def sweep_failures(db: Session, kept: timedelta) -> None:
    """Remove failed log-ins that are older than they are kept."""
    db.execute(delete(FailedLogin).where(FailedLogin.time < now() - kept))
