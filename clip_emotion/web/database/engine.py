"""The engine: SQLite with write-ahead logging, or any database by its URL; reads apart from writes, all short."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.exc import ArgumentError, NoSuchModuleError
from sqlalchemy.orm import Session

from clip_emotion.errors import MissingExtraError, UsageError

BUSY_SECONDS = 15
"""How long a write waits for another one to end."""


class Database:
    """A database, opened: ``reading`` and ``writing`` each hand out one short transaction."""

    def __init__(self, url: str) -> None:
        self.engine = make_engine(url)
        self._writer = self.engine.execution_options(writes=True)

    @contextmanager
    def reading(self) -> Iterator[Session]:
        """Hand out a session to read with; nothing of it is kept. Rows stay usable after it, as far as loaded."""
        with Session(self.engine, expire_on_commit=False, autoflush=False) as session:
            yield session

    @contextmanager
    def writing(self) -> Iterator[Session]:
        """Hand out a session to write with: committed as a whole at the end, or not at all when something fails."""
        with Session(self._writer, expire_on_commit=False) as session, session.begin():
            yield session

    def close(self) -> None:
        """Let go of every connection."""
        self.engine.dispose()


def make_engine(url: str) -> Engine:
    """Return the engine of a URL; raises UsageError for a URL that is none, MissingExtraError without its driver."""
    if url.startswith(("postgres://", "postgresql://")):
        url = "postgresql+psycopg://" + url.split("://", 1)[1]
    try:
        engine = create_engine(url, pool_pre_ping=not url.startswith("sqlite"))
    except (ArgumentError, NoSuchModuleError, ValueError) as error:
        raise UsageError(
            "--database takes a URL such as postgresql://user:password@host/name, or nothing for SQLite."
        ) from error
    except ImportError as error:
        raise MissingExtraError("PostgreSQL", "psycopg", "postgres") from error
    if engine.dialect.name == "sqlite":
        _prepare_sqlite(engine)
    return engine


def _prepare_sqlite(engine: Engine) -> None:
    @event.listens_for(engine, "connect")
    def connected(connection: sqlite3.Connection, record: Any) -> None:
        # The driver begins no transaction of its own, so that the event below says how each begins.
        connection.isolation_level = None
        for pragma in (
            "journal_mode=WAL",
            "synchronous=NORMAL",
            f"busy_timeout={BUSY_SECONDS * 1000}",
            "foreign_keys=ON",
        ):
            connection.execute(f"PRAGMA {pragma}")

    @event.listens_for(engine, "begin")
    def begun(connection: Connection) -> None:
        # A transaction that reads first and writes later could not wait for another writer: writers begin as such.
        writes = connection.get_execution_options().get("writes")
        connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")
