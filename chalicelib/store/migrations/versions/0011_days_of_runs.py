"""How many runs of each job ended in which state on each day; an index of the runs that did not go well.

The days are kept when the runs are deleted. What ended before is counted here, but for the ends that still wait to be added to the totals: these are
added to the days together with them.
"""

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None

POSTGRESQL = """
    INSERT INTO run_days (job_id, day, state, runs)
    SELECT job_id, day, state, sum(runs) FROM (
      SELECT job_id, to_char(timezone('UTC', finished_at), 'YYYY-MM-DD') AS day, state,
        greatest(gap_count, 1) AS runs FROM job_queue WHERE finished_at IS NOT NULL
      UNION ALL
      SELECT job_id, to_char(timezone('UTC', ended_at), 'YYYY-MM-DD'), state, -runs FROM run_ends
    ) AS ended GROUP BY job_id, day, state HAVING sum(runs) > 0
"""
SQLITE = """
    INSERT INTO run_days (job_id, day, state, runs)
    SELECT job_id, day, state, sum(runs) FROM (
      SELECT job_id, substr(finished_at, 1, 10) AS day, state, max(gap_count, 1) AS runs
        FROM job_queue WHERE finished_at IS NOT NULL
      UNION ALL
      SELECT job_id, substr(ended_at, 1, 10), state, -runs FROM run_ends
    ) GROUP BY job_id, day, state HAVING sum(runs) > 0
"""


def upgrade() -> None:
    op.create_table(
        "run_days",
        sa.Column("job_id", sa.String(64), primary_key=True),
        sa.Column("day", sa.String(10), primary_key=True),
        sa.Column("state", sa.String(16), primary_key=True),
        sa.Column("runs", sa.BigInteger(), nullable=False),
    )
    op.create_index("ix_run_ends_job_id", "run_ends", ["job_id"])
    not_well = sa.text("finished_at IS NOT NULL AND state <> 'succeeded'")
    op.create_index(
        "ix_job_queue_not_well",
        "job_queue",
        ["job_id", "finished_at"],
        sqlite_where=not_well,
        postgresql_where=not_well,
    )
    op.execute(sa.text(SQLITE if op.get_bind().dialect.name == "sqlite" else POSTGRESQL))
