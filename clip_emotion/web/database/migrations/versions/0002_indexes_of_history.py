"""Indexes that answer a filtered history and the queue of review by themselves."""

from __future__ import annotations

from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

LISTED, REVIEWED = "ix_results_listed", "ix_pictures_reviewed"


def upgrade() -> None:
    """Bring the database to this revision."""
    filtered = ["kind", "vocabulary", "leading", "family"]
    _replace(LISTED, "results", ["owner_id", "saved", "created", "id", *filtered])
    _replace(REVIEWED, "pictures", ["owner_id", "reviewed", "id"])


def downgrade() -> None:
    """Take this revision back."""
    _replace(LISTED, "results", ["owner_id", "saved", "created", "id"])
    _replace(REVIEWED, "pictures", ["owner_id", "reviewed"])


def _replace(name: str, table: str, columns: list[str]) -> None:
    op.drop_index(name, table_name=table)
    op.create_index(name, table, columns, unique=False)
