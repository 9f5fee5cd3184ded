"""What all tables share: their base, moments in UTC, and random keys that tell nothing."""

from __future__ import annotations

import secrets
from datetime import UTC, datetime
from typing import Annotated, Any

from sqlalchemy import DateTime, Dialect, ForeignKey, MetaData, String, TypeDecorator
from sqlalchemy.orm import DeclarativeBase, mapped_column


class UtcTime(TypeDecorator[datetime]):
    """A moment in UTC: aware in Python, whatever the database keeps."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Return the moment in UTC; raises ValueError for one without a time zone."""
        if value is not None and value.tzinfo is None:
            raise ValueError("A moment needs a time zone: use datetime.now(UTC).")
        return None if value is None else value.astimezone(UTC)

    def process_result_value(self, value: Any | None, dialect: Dialect) -> datetime | None:
        """Return the moment with its time zone."""
        if value is None:
            return None
        moment: datetime = value
        return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)


class Base(DeclarativeBase):
    """The base of every table; constraints have names, so that migrations can speak of them."""

    metadata = MetaData(
        naming_convention={
            "ix": "ix_%(column_0_label)s",
            "uq": "uq_%(table_name)s_%(column_0_name)s",
            "ck": "ck_%(table_name)s_%(constraint_name)s",
            "fk": "fk_%(table_name)s_%(column_0_name)s_%(referred_table_name)s",
            "pk": "pk_%(table_name)s",
        }
    )


def now() -> datetime:
    """Return this moment in UTC."""
    return datetime.now(UTC)


def random_key() -> str:
    """Return 128 random bits as 22 letters that a path can hold."""
    return secrets.token_urlsafe(16)


Key = Annotated[str, mapped_column(String(22), primary_key=True, default=random_key)]
"""A row's key: random, so that nobody can guess another's."""
Moment = Annotated[datetime, mapped_column(UtcTime, default=now)]
Owner = Annotated[str, mapped_column(ForeignKey("users.id", ondelete="CASCADE"), index=True)]
"""Whose row it is; the row goes with its owner."""
