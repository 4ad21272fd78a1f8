"""Who did what, through which door, and why."""

import sqlalchemy as sa
from alembic import op

from chalicelib.store.schema import Instant, Serial

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "audit_log",
        sa.Column("id", Serial, autoincrement=True, nullable=False),
        sa.Column("at", Instant, nullable=False),
        sa.Column("who", sa.String(64), nullable=False),
        sa.Column("door", sa.String(8), nullable=False),
        sa.Column("act", sa.String(32), nullable=False),
        sa.Column("subject", sa.String(255), nullable=False),
        sa.Column("reason", sa.Text),
        sa.Column("outcome", sa.String(8), nullable=False),
        sa.Column("detail", sa.Text),
        sa.CheckConstraint(
            "door IN ('http', 'page', 'cli', 'mcp', 'hook')", name=op.f("ck_audit_log_door_known")
        ),
        sa.CheckConstraint("outcome IN ('done', 'refused')", name=op.f("ck_audit_log_outcome_known")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_audit_log")),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_audit_log_at", "audit_log", ["at"])
    op.create_index("ix_audit_log_who", "audit_log", ["who", "at"])
