"""Making somebody an admin from the machine itself: there is no default account."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import select

from clip_emotion.errors import UsageError
from clip_emotion.text import nfc
from clip_emotion.web.database import Database
from clip_emotion.web.database.migrating import migrate
from clip_emotion.web.database.tables import ADMIN, User
from clip_emotion.web.emails import folded, is_email
from clip_emotion.web.security.passwords import Passwords, fault_of
from clip_emotion.web.security.sessions import end_sessions
from clip_emotion.web.security.trail import record
from clip_emotion.web.settings import Settings
from clip_emotion.web.texts import translator


def is_user(settings: Settings, email: str) -> bool:
    """Tell whether an e-mail address has an account; raises UsageError for what is no address."""
    if not is_email(folded(email)):
        raise UsageError(f"'{email}' is no e-mail address.")
    with _opened(settings) as database, database.reading() as db:
        return db.scalars(select(User.id).where(User.email == folded(email))).one_or_none() is not None


def make_admin(settings: Settings, email: str, password: str = "") -> None:
    """Make an account an admin, and the account where there is none; raises UsageError for a password that will not do.

    Who is made an admin logs in anew.
    """
    with _opened(settings) as database, database.writing() as db:
        user = db.scalars(select(User).where(User.email == folded(email))).one_or_none()
        if user is None:
            fault = fault_of(nfc(password), folded(email))
            if fault:
                raise UsageError(translator("en")(fault))
            user = User(email=folded(email), password=Passwords().hash(nfc(password)))
            db.add(user)
        user.role, user.locked = ADMIN, False
        db.flush()
        end_sessions(db, user.id)
        record(db, "admin.made", None, user.id)


@contextmanager
def _opened(settings: Settings) -> Iterator[Database]:
    database = Database(settings.database_url)
    try:
        migrate(database.engine)
        yield database
    finally:
        database.close()
