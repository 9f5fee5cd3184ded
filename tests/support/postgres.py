"""PostgreSQL, started by a test itself from Debian's package: a server of its own on a free port, gone afterwards."""

from __future__ import annotations

import contextlib
import os
import secrets
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

VARIABLE = "CLIP_EMOTION_TEST_POSTGRES"
"""Where this holds the URL of a server, every site that tests make has a database of its own on it."""
sqlite_alone = pytest.mark.skipif(VARIABLE in os.environ, reason="it looks into SQLite itself")
"""Marks what asks SQLite how it keeps or reads rows."""
_SECONDS = 60.0


def _program(name: str) -> str | None:
    found = sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{name}"), key=lambda path: path.parts[-3])
    return str(found[-1]) if found else shutil.which(name)


@contextlib.contextmanager
def postgres() -> Iterator[str]:
    """Start PostgreSQL and hand out its URL; skips where it is not installed."""
    pytest.importorskip("psycopg", reason="pip install 'clip-emotion[postgres]'")
    initdb, server = _program("initdb"), _program("postgres")
    if initdb is None or server is None:
        pytest.skip("there is no PostgreSQL: apt-get install postgresql")
    root = os.geteuid() == 0  # the server refuses to run as root
    become = ["runuser", "-u", "postgres", "--"] if root else []
    with tempfile.TemporaryDirectory(prefix="clip-emotion-postgres-") as name, socket.socket() as free:
        folder = Path(name)
        if root:
            shutil.chown(folder, "postgres", "postgres")
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
        free.close()
        made = [*become, initdb, "-D", f"{name}/data", "-U", "site", "-A", "trust", "-E", "UTF8", "--no-sync"]
        subprocess.run(made, check=True, capture_output=True, cwd="/")
        options = ["-c", "listen_addresses=127.0.0.1", "-c", "fsync=off", "-c", "max_connections=400"]
        started = [*become, server, "-D", f"{name}/data", "-p", str(port), "-k", name, *options]
        with (folder / "log").open("wb") as log, subprocess.Popen(started, stdout=log, stderr=log, cwd="/") as process:
            try:
                _wait(port, process, folder / "log")
                yield f"postgresql://site@127.0.0.1:{port}/postgres"
            finally:
                subprocess.run([*become, str(_program("pg_ctl")), "stop", "-D", f"{name}/data", "-m", "immediate"],
                               capture_output=True, cwd="/", check=False)  # fmt: skip
                process.wait(_SECONDS)


def fresh_database(server: str) -> str:
    """Make an empty database on a server and return its URL."""
    import psycopg

    name = f"site_{secrets.token_hex(6)}"
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}")
    return f"{server.rsplit('/', 1)[0]}/{name}"


def _wait(port: int, process: subprocess.Popen[bytes], log: Path) -> None:
    import psycopg

    end = time.monotonic() + _SECONDS
    while time.monotonic() < end and process.poll() is None:
        with contextlib.suppress(psycopg.OperationalError):
            psycopg.connect(f"postgresql://site@127.0.0.1:{port}/postgres", connect_timeout=2).close()
            return
        time.sleep(0.1)
    raise RuntimeError(f"PostgreSQL did not start: {log.read_text('utf-8')}")
