"""Indexes for lists of runs: by state, of those that did not go well, and by when they were due."""

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None


def upgrade() -> None:
    not_well = sa.text("finished_at IS NOT NULL AND state <> 'succeeded'")
    op.create_index(
        "ix_job_queue_by_state",
        "job_queue",
        ["state", "id", "due_at"],
        sqlite_where=not_well,
        postgresql_where=not_well,
    )
    op.create_index("ix_job_queue_by_due", "job_queue", ["due_at", "id"])
