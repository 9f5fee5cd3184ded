"""The first tables."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from clip_emotion.web.database.columns import UtcTime

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Bring the database to this revision."""
    _make_audit_events()
    _make_users()
    _make_access_tokens()
    _make_failed_logins()
    _make_idempotency_keys()
    _make_results()
    _make_sessions()
    _make_documents()
    _make_pictures()


def downgrade() -> None:
    """Take this revision back."""
    for table in (
        "pictures",
        "documents",
        "sessions",
        "results",
        "idempotency_keys",
        "failed_logins",
        "access_tokens",
        "users",
        "audit_events",
    ):
        op.drop_table(table)


def _make_audit_events() -> None:
    op.create_table(
        "audit_events",
        sa.Column("id", sa.String(length=22), nullable=False),
        sa.Column("time", UtcTime(timezone=True), nullable=False),
        sa.Column("deed", sa.String(length=40), nullable=False),
        sa.Column("actor", sa.String(length=22), nullable=True),
        sa.Column("subject", sa.String(length=64), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_audit_events")),
    )
    with op.batch_alter_table("audit_events", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_audit_events_actor"), ["actor"], unique=False)
        batch_op.create_index("ix_audit_events_time_id", ["time", "id"], unique=False)


def _make_users() -> None:
    op.create_table(
        "users",
        sa.Column("id", sa.String(length=22), nullable=False),
        sa.Column("email", sa.String(length=254), nullable=False),
        sa.Column("password", sa.String(length=255), nullable=False),
        sa.Column("role", sa.String(length=8), nullable=False),
        sa.Column("locked", sa.Boolean(), nullable=False),
        sa.Column("language", sa.String(length=2), nullable=True),
        sa.Column("created", UtcTime(timezone=True), nullable=False),
        sa.CheckConstraint("role in ('user', 'admin')", name=op.f("ck_users_role")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_users")),
        sa.UniqueConstraint("email", name=op.f("uq_users_email")),
    )


def _make_access_tokens() -> None:
    op.create_table(
        "access_tokens",
        sa.Column("id", sa.String(length=22), nullable=False),
        sa.Column("owner_id", sa.String(length=22), nullable=False),
        sa.Column("hash", sa.String(length=64), nullable=False),
        sa.Column("name", sa.String(length=80), nullable=False),
        sa.Column("scopes", sa.String(length=200), nullable=False),
        sa.Column("created", UtcTime(timezone=True), nullable=False),
        sa.Column("expires", UtcTime(timezone=True), nullable=True),
        sa.Column("used", UtcTime(timezone=True), nullable=True),
        sa.Column("revoked", UtcTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(
            ["owner_id"], ["users.id"], name=op.f("fk_access_tokens_owner_id_users"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_access_tokens")),
        sa.UniqueConstraint("hash", name=op.f("uq_access_tokens_hash")),
    )
    with op.batch_alter_table("access_tokens", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_access_tokens_owner_id"), ["owner_id"], unique=False)


def _make_failed_logins() -> None:
    op.create_table(
        "failed_logins",
        sa.Column("id", sa.String(length=22), nullable=False),
        sa.Column("user_id", sa.String(length=22), nullable=True),
        sa.Column("address", sa.String(length=64), nullable=False),
        sa.Column("time", UtcTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["user_id"], ["users.id"], name=op.f("fk_failed_logins_user_id_users"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_failed_logins")),
    )
    with op.batch_alter_table("failed_logins", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_failed_logins_time"), ["time"], unique=False)
        batch_op.create_index(batch_op.f("ix_failed_logins_user_id"), ["user_id"], unique=False)


def _make_idempotency_keys() -> None:
    op.create_table(
        "idempotency_keys",
        sa.Column("owner_id", sa.String(length=22), nullable=False),
        sa.Column("key", sa.String(length=200), nullable=False),
        sa.Column("request", sa.String(length=64), nullable=False),
        sa.Column("status", sa.Integer(), nullable=True),
        sa.Column("body", sa.JSON(), nullable=True),
        sa.Column("created", UtcTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["owner_id"], ["users.id"], name=op.f("fk_idempotency_keys_owner_id_users"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("owner_id", "key", name=op.f("pk_idempotency_keys")),
    )
    with op.batch_alter_table("idempotency_keys", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_idempotency_keys_created"), ["created"], unique=False)


def _make_results() -> None:
    op.create_table(
        "results",
        sa.Column("id", sa.String(length=22), nullable=False),
        sa.Column("owner_id", sa.String(length=22), nullable=False),
        sa.Column("batch", sa.String(length=22), nullable=False),
        sa.Column("kind", sa.String(length=9), nullable=False),
        sa.Column("created", UtcTime(timezone=True), nullable=False),
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("saved", sa.Boolean(), nullable=False),
        sa.Column("title", sa.String(length=200), nullable=False),
        sa.Column("vocabulary", sa.String(length=80), nullable=False),
        sa.Column("language", sa.String(length=2), nullable=False),
        sa.Column("model", sa.String(length=200), nullable=False),
        sa.Column("fingerprint", sa.String(length=128), nullable=False),
        sa.Column("leading", sa.String(length=80), nullable=True),
        sa.Column("leading_name", sa.String(length=80), nullable=True),
        sa.Column("family", sa.String(length=16), nullable=True),
        sa.Column("measure", sa.Double(), nullable=True),
        sa.Column("payload", sa.JSON(), nullable=False),
        sa.CheckConstraint("kind in ('label', 'score', 'interview')", name=op.f("ck_results_kind")),
        sa.ForeignKeyConstraint(["owner_id"], ["users.id"], name=op.f("fk_results_owner_id_users"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_results")),
    )
    with op.batch_alter_table("results", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_results_batch"), ["batch"], unique=False)
        batch_op.create_index(
            "ix_results_counted", ["owner_id", "saved", "kind", "day", "family", "leading", "vocabulary"], unique=False
        )
        batch_op.create_index("ix_results_listed", ["owner_id", "saved", "created", "id"], unique=False)
        batch_op.create_index(batch_op.f("ix_results_owner_id"), ["owner_id"], unique=False)
        batch_op.create_index(
            "ix_results_shared", ["owner_id", "saved", "kind", "vocabulary", "leading", "family"], unique=False
        )


def _make_sessions() -> None:
    op.create_table(
        "sessions",
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("owner_id", sa.String(length=22), nullable=False),
        sa.Column("created", UtcTime(timezone=True), nullable=False),
        sa.Column("seen", UtcTime(timezone=True), nullable=False),
        sa.Column("expires", UtcTime(timezone=True), nullable=False),
        sa.Column("authenticated", UtcTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["owner_id"], ["users.id"], name=op.f("fk_sessions_owner_id_users"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_sessions")),
    )
    with op.batch_alter_table("sessions", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_sessions_expires"), ["expires"], unique=False)
        batch_op.create_index(batch_op.f("ix_sessions_owner_id"), ["owner_id"], unique=False)


def _make_documents() -> None:
    op.create_table(
        "documents",
        sa.Column("result_id", sa.String(length=22), nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("content", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(
            ["result_id"], ["results.id"], name=op.f("fk_documents_result_id_results"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("result_id", "kind", name=op.f("pk_documents")),
    )


def _make_pictures() -> None:
    op.create_table(
        "pictures",
        sa.Column("id", sa.String(length=22), nullable=False),
        sa.Column("owner_id", sa.String(length=22), nullable=False),
        sa.Column("result_id", sa.String(length=22), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("file", sa.String(length=40), nullable=False),
        sa.Column("name", sa.String(length=200), nullable=False),
        sa.Column("width", sa.Integer(), nullable=False),
        sa.Column("height", sa.Integer(), nullable=False),
        sa.Column("size", sa.Integer(), nullable=False),
        sa.Column("thumbnail", sa.LargeBinary(), nullable=False),
        sa.Column("time", sa.Double(), nullable=True),
        sa.Column("corrected", sa.String(length=80), nullable=True),
        sa.Column("confirmed", sa.Boolean(), nullable=False),
        sa.Column("reviewed", UtcTime(timezone=True), nullable=True),
        sa.Column("reviewer_id", sa.String(length=22), nullable=True),
        sa.ForeignKeyConstraint(
            ["owner_id"], ["users.id"], name=op.f("fk_pictures_owner_id_users"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["result_id"], ["results.id"], name=op.f("fk_pictures_result_id_results"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["reviewer_id"], ["users.id"], name=op.f("fk_pictures_reviewer_id_users"), ondelete="SET NULL"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_pictures")),
        sa.UniqueConstraint("file", name=op.f("uq_pictures_file")),
    )
    with op.batch_alter_table("pictures", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_pictures_owner_id"), ["owner_id"], unique=False)
        batch_op.create_index(batch_op.f("ix_pictures_result_id"), ["result_id"], unique=False)
        batch_op.create_index("ix_pictures_reviewed", ["owner_id", "reviewed"], unique=False)
