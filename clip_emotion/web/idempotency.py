"""Writes that are asked for twice with one key are done once: the second request gets the first one's answer."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from sqlalchemy import delete, update
from sqlalchemy.exc import IntegrityError
from starlette.exceptions import HTTPException

from clip_emotion.web.database import Database
from clip_emotion.web.database.tables import IdempotencyKey, now

HEADER = "Idempotency-Key"
LONGEST = 200
ABANDONED = timedelta(minutes=10)
"""After so long a request that has not ended is taken for one whose process was killed."""
KEPT = timedelta(days=1)
"""How long a key is known; an account's older ones go with its next write."""
RETRY_SECONDS = 2


@dataclass(frozen=True)
class Write:
    """A write to be done once: whose, under which key (None: done at every request), and what is asked."""

    database: Database
    owner_id: str
    key: str | None
    asked: str

    def once(self, do: Callable[[], Any]) -> tuple[Any, bool]:
        """Return what ``do`` returned, JSON-ready, now or the first time, and whether that was the first time.

        Raises HTTPException with 409 while the first request runs, and with 422 where the key was used for another
        request. What fails is forgotten, so that it may be tried again.
        """
        if self.key is None:
            return do(), False
        kept = self._claim()
        if kept is not None:
            return kept.body, True
        try:
            answer = do()
        except BaseException:
            with self.database.writing() as db:
                db.execute(delete(IdempotencyKey).where(self._mine()))
            raise
        with self.database.writing() as db:
            db.execute(update(IdempotencyKey).where(self._mine()).values(status=200, body=answer))
        return answer, False

    def _claim(self) -> IdempotencyKey | None:
        """Take the key and return None, or return what stands under it from a request that has ended."""
        moment = now()
        try:
            with self.database.writing() as db:
                stale = self._mine() & IdempotencyKey.status.is_(None) & (IdempotencyKey.created < moment - ABANDONED)
                db.execute(delete(IdempotencyKey).where(stale))
                mine = IdempotencyKey.owner_id == self.owner_id
                db.execute(delete(IdempotencyKey).where(mine & (IdempotencyKey.created < moment - KEPT)))
                db.add(IdempotencyKey(owner_id=self.owner_id, key=self.key, request=self.asked, created=moment))
            return None
        except IntegrityError:
            with self.database.reading() as db:
                kept = db.get(IdempotencyKey, (self.owner_id, self.key))
        if kept is not None and kept.request != self.asked:
            raise HTTPException(422, f"This {HEADER} was used for another request: choose a new one.")
        if kept is None or kept.status is None:
            wait = {"retry-after": str(RETRY_SECONDS)}
            raise HTTPException(409, f"The first request with this {HEADER} still runs: try again.", wait)
        return kept

    def _mine(self) -> Any:
        return (IdempotencyKey.owner_id == self.owner_id) & (IdempotencyKey.key == self.key)


def digest(*parts: str | bytes) -> str:
    """Return the SHA-256 of parts, each with its length, so that no two lists of parts are taken for one another."""
    whole = hashlib.sha256()
    for part in parts:
        content = part.encode("utf-8", "surrogatepass") if isinstance(part, str) else part
        whole.update(len(content).to_bytes(8, "big") + content)
    return whole.hexdigest()
