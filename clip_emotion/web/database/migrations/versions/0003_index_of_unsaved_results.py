"""An index of results by when they were made, so that those that nobody saved are found without reading all."""

from __future__ import annotations

from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Bring the database to this revision."""
    op.create_index("ix_results_unsaved", "results", ["saved", "created"], unique=False)


def downgrade() -> None:
    """Take this revision back."""
    op.drop_index("ix_results_unsaved", table_name="results")
