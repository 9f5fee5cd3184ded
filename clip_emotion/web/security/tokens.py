"""Personal access tokens: random, shown once, kept hashed, for some deeds alone, gone when revoked and when old."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import func, select, update
from sqlalchemy.orm import Session

from clip_emotion.web.database import Database
from clip_emotion.web.database.tables import AccessToken, User, now
from clip_emotion.web.security.secret import hashed

PREFIX = "ce_"
"""How every token begins, so that people and scanners of leaked secrets know one."""
LABEL, SCORE, HISTORY, DELETE, EXPORT, METRICS = "label", "score", "history", "history:delete", "export", "metrics"
SCOPES = (LABEL, SCORE, HISTORY, DELETE, EXPORT)
"""What a token may be allowed to do."""
ADMIN_SCOPES = (METRICS,)
"""What an admin's token may be allowed to do beside it, for as long as its owner is an admin."""
MOST = 50
"""Valid tokens of one account."""
SEEN_EVERY = timedelta(minutes=5)
"""How exactly it is known when a token was last used: a write less for every request."""


@dataclass(frozen=True)
class Caller:
    """A valid token with its owner; both are loaded and belong to no transaction."""

    token: AccessToken
    user: User

    def may(self, scope: str) -> bool:
        """Tell whether the token was made for a deed, and its owner may still do it."""
        return scope in self.token.scopes.split() and (scope not in ADMIN_SCOPES or self.user.is_admin)


def mint(db: Session, owner_id: str, name: str, scopes: list[str], lifetime: timedelta | None) -> str:
    """Make a token in a transaction and return it; only its hash is kept. Without a lifetime it does not end."""
    token = PREFIX + secrets.token_urlsafe(32)
    expires = None if lifetime is None else now() + lifetime
    made = AccessToken(owner_id=owner_id, hash=hashed(token), name=name, scopes=" ".join(scopes), expires=expires)
    db.add(made)
    db.flush()
    return token


def find(database: Database, token: str) -> Caller | None:
    """Return who calls with a token, or None where it is unknown, over or revoked, or its owner locked."""
    if not token.startswith(PREFIX) or len(token) > 100:
        return None
    with database.reading() as db:
        query = select(AccessToken, User).join(User, User.id == AccessToken.owner_id)
        row = db.execute(query.where(AccessToken.hash == hashed(token))).one_or_none()
    if row is None:
        return None
    found, moment = Caller(*row), now()
    if found.user.locked or not is_valid(found.token, moment):
        return None
    if found.token.used is None or moment - found.token.used > SEEN_EVERY:
        with database.writing() as db:
            db.execute(update(AccessToken).where(AccessToken.id == found.token.id).values(used=moment))
    return found


def is_valid(token: AccessToken, moment: datetime) -> bool:
    """Tell whether a token is neither revoked nor over."""
    return token.revoked is None and (token.expires is None or moment < token.expires)


def count_valid(db: Session, owner_id: str) -> int:
    """Return how many valid tokens an account has."""
    over = AccessToken.expires.is_not(None) & (AccessToken.expires <= now())
    query = select(func.count()).where(AccessToken.owner_id == owner_id, AccessToken.revoked.is_(None), ~over)
    return db.scalar(query) or 0


def revoke_all(db: Session, owner_id: str) -> None:
    """Revoke every token of an account, in a transaction."""
    mine = (AccessToken.owner_id == owner_id) & AccessToken.revoked.is_(None)
    db.execute(update(AccessToken).where(mine).values(revoked=now()))
