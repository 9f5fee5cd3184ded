"""Brings a database to the newest tables; a new one is made."""

from __future__ import annotations

from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from alembic.util.exc import CommandError
from sqlalchemy import Engine
from sqlalchemy.exc import SQLAlchemyError

from clip_emotion.errors import DataError

FOLDER = Path(__file__).resolve().parent / "migrations"
LOCK = 7_242_013
"""The advisory lock under which one of several processes migrates PostgreSQL."""


def configuration() -> Config:
    """Return Alembic's configuration; ``attributes["connection"]`` says what to migrate."""
    config = Config()
    config.set_main_option("script_location", str(FOLDER).replace("%", "%%"))
    return config


def migrate(engine: Engine, revision: str = "head") -> None:
    """Bring a database to a revision; raises DataError where it cannot be reached or is of a newer release."""
    config = configuration()
    try:
        with engine.execution_options(writes=True).begin() as connection:
            if engine.dialect.name == "postgresql":
                connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({LOCK})")
            config.attributes["connection"] = connection
            command.upgrade(config, revision)
    except CommandError as error:
        raise DataError(
            f"The database is of another release of clip-emotion: upgrade clip-emotion ({error})."
        ) from error
    except SQLAlchemyError as error:
        reason = str(getattr(error, "orig", None) or error).splitlines()[0]
        raise DataError(
            f"The database cannot be opened ({reason}): see that it runs and that the URL is right."
        ) from error


def is_current(engine: Engine) -> bool:
    """Tell whether a database has the newest tables."""
    newest = ScriptDirectory.from_config(configuration()).get_current_head()
    with engine.connect() as connection:
        return MigrationContext.configure(connection).get_current_revision() == newest
