"""The SQLite file of a store: opened, made, recognised, and its faults told in a sentence each."""

from __future__ import annotations

import os
import sqlite3
import struct
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from clip_emotion.errors import ClipEmotionError, DataError, UsageError

APPLICATION_ID = 0x436C456D
"""Stands in the header of every store ("ClEm"), so that no other program's SQLite file is taken for one."""
FORMAT = 1
PAGE_SIZE = 16384
"""Bytes a page: a vector of some thousand numbers still lies within one."""
PATIENCE = 60.0
"""Seconds that one writer waits for another, whose transactions take milliseconds."""
MAGIC = b"SQLite format 3\0"
TABLES = (
    "CREATE TABLE card (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID",
    "CREATE TABLE contents (id INTEGER PRIMARY KEY, sha256 TEXT NOT NULL, boxes TEXT NOT NULL, error TEXT, "
    "UNIQUE (sha256, boxes))",
    "CREATE TABLE faces (content INTEGER NOT NULL REFERENCES contents (id) ON DELETE CASCADE, "
    "part_no INTEGER NOT NULL, face INTEGER, x INTEGER, y INTEGER, width INTEGER, height INTEGER, "
    "confidence REAL, landmarks BLOB, part TEXT NOT NULL, note TEXT NOT NULL, vector BLOB, "
    "PRIMARY KEY (content, part_no)) WITHOUT ROWID",
    "CREATE TABLE files (id INTEGER PRIMARY KEY, place TEXT NOT NULL UNIQUE, name TEXT NOT NULL, raw BLOB, "
    "size INTEGER NOT NULL, mtime_ns INTEGER NOT NULL, content INTEGER NOT NULL REFERENCES contents (id))",
    "CREATE INDEX files_of_content ON files (content)",
)
_SENTENCES = {
    "SQLITE_BUSY": "{path} is held by another process: wait for it, then run again",
    "SQLITE_LOCKED": "{path} is held by another process: wait for it, then run again",
    "SQLITE_FULL": "Cannot write {path}: the disk is full, make room and run again",
    "SQLITE_READONLY": "Cannot write {path}: the file or its folder is read-only",
    "SQLITE_CANTOPEN": "{path} cannot be opened: see that its folder can be written",
    "SQLITE_IOERR": "{path} cannot be read or written ({error}): see to the disk, then run again",
}


def connect(path: Path) -> sqlite3.Connection:
    """Open a store that is there; raises UsageError or DataError where it is none, or is damaged."""
    if not path.exists():
        raise UsageError(f"There is no store {path}: make it with clip-emotion embed PATHS --store {path}.")
    _refuse_strangers(path)
    with told(path):
        connection = _open(path, "rw")
        try:
            empty = _is_empty(connection, path)
        except sqlite3.OperationalError:
            # On a read-only disk there is no room for the log's index; without a log, none is needed.
            if path.with_name(path.name + "-wal").exists():
                raise
            connection = _open(path, "ro&immutable=1")
            empty = _is_empty(connection, path)
    if empty:
        raise UsageError(f"{path} is empty: fill it with clip-emotion embed PATHS --store {path}.")
    return connection


def create(path: Path) -> sqlite3.Connection:
    """Open a store, made anew where there is none; raises UsageError or DataError where it cannot be one."""
    if path.exists():
        _refuse_strangers(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UsageError(f"Cannot write {path}: {error.strerror or error}.") from error
    with told(path):
        connection = _open(path, "rwc")
        if _is_empty(connection, path):
            connection.execute(f"PRAGMA page_size = {PAGE_SIZE}")
            _write_ahead(connection)
            with transaction(connection):
                # Another process may have made it meanwhile.
                if _is_empty(connection, path):
                    for statement in TABLES:
                        connection.execute(statement)
                    connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
                    connection.execute(f"PRAGMA user_version = {FORMAT}")
    return connection


@contextmanager
def transaction(connection: sqlite3.Connection, *, keep: bool = True) -> Iterator[None]:
    """Write all that the block writes, or nothing of it; without ``keep`` nothing, after the block saw it written."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
    except BaseException:
        connection.rollback()
        raise
    connection.execute("COMMIT" if keep else "ROLLBACK")


@contextmanager
def told(path: Path) -> Iterator[None]:
    """Turn what SQLite says of a store into one sentence that says what to do."""
    try:
        yield
    except sqlite3.DatabaseError as error:
        raise _in_words(path, error) from error


def _in_words(path: Path, error: sqlite3.DatabaseError) -> ClipEmotionError:
    name = getattr(error, "sqlite_errorname", "")
    for start, sentence in _SENTENCES.items():
        if name.startswith(start):
            return DataError(sentence.format(path=path, error=error) + ".")
    return damaged(path)


def damaged(path: Path) -> DataError:
    """Return the error that tells of a store whose content is not whole."""
    return DataError(
        f"The store {path} is damaged or truncated: bring it back from a copy, or delete it and embed the pictures "
        "again."
    )


def _open(path: Path, mode: str) -> sqlite3.Connection:
    address = path.absolute().as_uri()
    connection = sqlite3.connect(f"{address}?mode={mode}", timeout=PATIENCE, isolation_level=None, uri=True)
    connection.execute("PRAGMA foreign_keys = ON")
    # A killed process loses nothing that was committed; a power cut may lose the last batches, and damages nothing.
    connection.execute("PRAGMA synchronous = NORMAL")
    return connection


def _write_ahead(connection: sqlite3.Connection) -> None:
    """Switch a new file to write-ahead logging; while another process does so too, SQLite does not wait by itself."""
    end = time.monotonic() + PATIENCE
    while True:
        try:
            connection.execute("PRAGMA journal_mode = WAL")
            return
        except sqlite3.OperationalError:
            if time.monotonic() > end:
                raise
            time.sleep(0.02)


def _is_empty(connection: sqlite3.Connection, path: Path) -> bool:
    """Tell whether a file holds no tables yet; raises UsageError where they are not those of a store."""
    # Tables first: a process that makes the store meanwhile writes them and the mark in one transaction.
    if not connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]:
        return True
    if connection.execute("PRAGMA application_id").fetchone()[0] != APPLICATION_ID:
        raise UsageError(f"{path} is a database of another program: name another file for the store.")
    form = connection.execute("PRAGMA user_version").fetchone()[0]
    if form != FORMAT:
        raise UsageError(
            f"{path} has the format {form} of another release, and this one reads {FORMAT}: embed into a new store."
        )
    return False


def _refuse_strangers(path: Path) -> None:
    """Raise where a file is none of SQLite's, or shorter than its header says, before SQLite reads it."""
    if path.is_dir():
        raise UsageError(f"{path} is a folder: name a file for the store.")
    try:
        size = path.stat().st_size
        with path.open("rb") as file:
            head = file.read(100)
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror or error}.") from error
    if head and not head.startswith(MAGIC[: len(head)]):
        raise UsageError(f"{path} is no store of embeddings: name another file.")
    if 0 < len(head) < 100:
        raise damaged(path)
    # While there is a log, the file may lack pages that stand in the log.
    if head and not os.path.lexists(f"{path}-wal"):
        page, pages = struct.unpack_from(">H", head, 16)[0], struct.unpack_from(">I", head, 28)[0]
        if size < (65536 if page == 1 else page) * pages:
            raise damaged(path)
