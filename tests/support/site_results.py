"""Results on the site that tests write straight into its database, and what their queries cost."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, event, select

from clip_emotion.web.database.tables import LABEL, Picture, Result, User, now, random_key
from clip_emotion.web.site import Site


def user_of(site: Site, email: str) -> User:
    """Return the account of an address."""
    with site.database.reading() as db:
        return db.scalars(select(User).where(User.email == email)).one()


def result(owner: User, created: datetime | None = None, *, picture: bool = False, **values: Any) -> Result:
    """Return the row of a labelled picture that was saved, not yet written; ``picture``: with a row of a picture."""
    moment = created or now()
    words = values.pop("words", ("happy", "sad", "neutral"))
    labels = [
        {"label": one, "name": one, "probability": 0.5 / 2**at, "similarity": 0.1} for at, one in enumerate(words)
    ]
    face = {"index": 0, "box": [1, 2, 10, 12], "confidence": 0.9, "part": "face", "note": ""}
    row = {"path": "a.jpg", "labels": labels, "model": "fake", "face": face, "error": None}
    usual: dict[str, Any] = {
        "kind": LABEL, "saved": True, "title": "a.jpg", "vocabulary": "basic8", "language": "en", "model": "fake",
        "fingerprint": "0" * 64, "leading": words[0], "leading_name": words[0], "family": words[0], "measure": 0.5,
        "payload": {"rows": [row]},
    }  # fmt: skip
    made = Result(owner_id=owner.id, created=moment, day=moment.date(), **{**usual, **values})
    if picture:
        made.pictures.append(
            Picture(owner_id=owner.id, file=random_key(), name="a.jpg", width=48, height=48, thumbnail=b"small")
        )
    return made


@contextmanager
def plans(site: Site) -> Iterator[list[str]]:
    """Collect the plan of every query on SQLite that asks for results or pictures within the block."""
    found: list[str] = []
    engine = site.database.engine

    def asked(connection: Connection, cursor: Any, statement: str, parameters: Any, context: Any, many: bool) -> None:
        if re.match(r"SELECT\b", statement) and re.search(r"\bFROM (results|pictures)\b", statement):
            steps = cursor.connection.execute(f"EXPLAIN QUERY PLAN {statement}", parameters).fetchall()
            found.append("\n".join(step[3] for step in steps))

    event.listen(engine, "before_cursor_execute", asked)
    try:
        yield found
    finally:
        event.remove(engine, "before_cursor_execute", asked)
