"""Which sessions of browsers were signed out, when a revision was committed, and acts on one subject."""

import sqlalchemy as sa
from alembic import op

from chalicelib.store.schema import Instant

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "ended_sessions",
        sa.Column("mark", sa.String(64), primary_key=True),
        sa.Column("until", Instant, nullable=False),
    )
    op.add_column("revisions", sa.Column("authored_at", Instant))
    op.create_index("ix_audit_log_subject", "audit_log", ["subject", "id"])
