"""Sessions: random ids, kept hashed, new at every log-in, gone at log-out, when idle and when old."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import delete, select
from sqlalchemy.orm import Session as DatabaseSession

from clip_emotion.web.database import Database
from clip_emotion.web.database.tables import LoginSession, User, now
from clip_emotion.web.security.secret import hashed
from clip_emotion.web.settings import Settings

SEEN_EVERY = timedelta(minutes=5)
"""How exactly it is known when a session was last used: a write less for every request."""


@dataclass(frozen=True)
class LoggedIn:
    """A valid session with its user; both are loaded and belong to no transaction."""

    session: LoginSession
    user: User


class Sessions:
    """Begins, finds and ends sessions."""

    def __init__(self, database: Database, settings: Settings) -> None:
        self.database = database
        self.settings = settings

    def begin(self, db: DatabaseSession, user: User) -> str:
        """Begin a session in a transaction and return its id, which the cookie alone holds."""
        token = secrets.token_urlsafe(32)
        moment = now()
        expires = moment + self.settings.session_absolute
        db.add(
            LoginSession(
                id=hashed(token), owner_id=user.id, created=moment, seen=moment, expires=expires, authenticated=moment
            )
        )
        return token

    def find(self, token: str) -> LoggedIn | None:
        """Return the valid session of an id with its user, or None where it is over or the user is locked."""
        with self.database.reading() as db:
            query = select(LoginSession, User).join(User, User.id == LoginSession.owner_id)
            row = db.execute(query.where(LoginSession.id == hashed(token))).one_or_none()
        if row is None:
            return None
        found = LoggedIn(*row)
        moment = now()
        if found.user.locked or self._over(found.session, moment):
            self.end(token)
            return None
        if moment - found.session.seen > SEEN_EVERY:
            with self.database.writing() as db:
                kept = db.get(LoginSession, found.session.id)
                if kept is not None:
                    kept.seen = moment
        return found

    def end(self, token: str) -> None:
        """End the session of an id; nothing happens where there is none."""
        with self.database.writing() as db:
            db.execute(delete(LoginSession).where(LoginSession.id == hashed(token)))

    def is_fresh(self, session: LoginSession) -> bool:
        """Tell whether the password was given a short while ago."""
        return now() - session.authenticated <= self.settings.reauthentication

    def sweep(self) -> None:
        """Remove sessions that are over."""
        moment = now()
        idle = moment - self.settings.session_idle
        with self.database.writing() as db:
            db.execute(delete(LoginSession).where((LoginSession.expires < moment) | (LoginSession.seen < idle)))

    def _over(self, session: LoginSession, moment: datetime) -> bool:
        return moment >= session.expires or moment - session.seen >= self.settings.session_idle


def end_sessions(db: DatabaseSession, user_id: str) -> None:
    """End every session of a user, in a transaction: at a change of password, role or lock."""
    db.execute(delete(LoginSession).where(LoginSession.owner_id == user_id))
