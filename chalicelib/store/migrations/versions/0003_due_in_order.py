"""What is due is found in the order it is claimed in, also when many runs are due at one instant."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

_queued = sa.text("state = 'queued'")


def upgrade() -> None:
    op.drop_index("ix_job_queue_due", "job_queue")
    op.create_index(
        "ix_job_queue_due",
        "job_queue",
        ["due_at", "id"],
        unique=False,
        sqlite_where=_queued,
        postgresql_where=_queued,
    )
