"""The same site on PostgreSQL: its migrations, several processes that start at once, and every test of the pages."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import inspect

from clip_emotion.web.database import Database
from clip_emotion.web.database.migrating import is_current, migrate
from clip_emotion.web.database.tables import Base
from tests.support.postgres import VARIABLE, fresh_database, postgres

pytestmark = pytest.mark.real_data  # a database server, and a minute
ROOT = Path(__file__).parents[3]


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    with postgres() as url:
        yield url


def test_migrations_make_the_tables_that_the_code_has(server: str) -> None:
    database = Database(fresh_database(server))
    assert not is_current(database.engine)
    migrate(database.engine)
    migrate(database.engine)
    assert is_current(database.engine)
    with database.engine.connect() as connection:
        assert compare_metadata(MigrationContext.configure(connection), Base.metadata) == []
    assert set(inspect(database.engine).get_table_names()) == {*Base.metadata.tables, "alembic_version"}
    database.close()


def test_processes_that_start_at_once_migrate_one_after_the_other(server: str) -> None:
    url = fresh_database(server)
    databases = [Database(url) for _ in range(6)]
    with ThreadPoolExecutor(6) as pool:
        list(pool.map(lambda database: migrate(database.engine), databases))
    assert all(is_current(database.engine) for database in databases)
    for database in databases:
        database.close()


def test_every_test_of_the_pages_passes_on_it(server: str) -> None:
    asked = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-x", "tests/web"]
    result = subprocess.run(asked, cwd=ROOT, env={**os.environ, VARIABLE: server}, capture_output=True, text=True)
    assert result.returncode == 0, result.stdout[-4000:]
