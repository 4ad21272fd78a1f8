"""Smaller indexes of runs, and one order of due times for each purpose.

- By their ends only ended runs are found, so an end writes one entry and takes none out.
- Runs that have a priority, below 0 too, have an index: a claim finds the first of them without sorting.
- The index of all due times runs from the newest, as lists do, so PostgreSQL claims by that of queued runs.
"""

import sqlalchemy as sa
from alembic import op

revision = "0017"
down_revision = "0016"
branch_labels = None
depends_on = None


def upgrade() -> None:
    replace("ended", "ended", "finished_at", only="finished_at IS NOT NULL")
    replace("by_due", "by_due", "due_at DESC", "id")
    by_priority = ("priority DESC", "due_at", "id")
    replace("preferred", "by_priority", *by_priority, only="state = 'queued' AND priority <> 0")


def replace(old: str, new: str, *columns: str, only: str | None = None) -> None:
    condition = sa.text(only) if only else None
    op.drop_index(f"ix_job_queue_{old}", "job_queue")
    op.create_index(
        f"ix_job_queue_{new}",
        "job_queue",
        [sa.text(column) for column in columns],
        sqlite_where=condition,
        postgresql_where=condition,
    )
