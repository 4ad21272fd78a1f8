"""Fewer writes for each run: one tree for attempts on SQLite, and one index less.

The ends that wait to be added to the totals have no index by job any more: they are few, and each was written
into it and taken out again.
"""

import sqlalchemy as sa
from alembic import op

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None

ATTEMPTS = (
    "ALTER TABLE attempts RENAME TO attempts_before",
    """
    CREATE TABLE attempts (
      run_id VARCHAR(36) NOT NULL, number INTEGER NOT NULL, started_at VARCHAR(27) NOT NULL,
      finished_at VARCHAR(27), outcome VARCHAR(16), runner VARCHAR(128) NOT NULL, exit_code INTEGER,
      signal INTEGER, error TEXT, error_type VARCHAR(255), max_rss_kb BIGINT, cpu_seconds FLOAT,
      CONSTRAINT pk_attempts PRIMARY KEY (run_id, number)
    ) WITHOUT ROWID
    """,
    """
    INSERT INTO attempts SELECT run_id, number, started_at, finished_at, outcome, runner, exit_code, signal,
      error, error_type, max_rss_kb, cpu_seconds FROM attempts_before ORDER BY run_id, number
    """,
    "DROP TABLE attempts_before",
)


def upgrade() -> None:
    op.drop_index("ix_run_ends_job_id", "run_ends")
    if op.get_bind().dialect.name == "sqlite":
        for statement in ATTEMPTS:
            op.execute(sa.text(statement))
