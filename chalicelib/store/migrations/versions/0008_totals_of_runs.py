"""How many runs ended, kept apart from the runs, so that retention lowers no total.

A trigger writes one row into `run_ends` whenever a run gets its end, in the transaction that ends it. Upkeep
adds these rows to the totals, so that no two runners that end runs wait for each other. The runs that ended
before get such a row here.
"""

import sqlalchemy as sa
from alembic import op

from chalicelib.store.schema import Instant, Serial

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

POSTGRESQL = (
    """
    CREATE OR REPLACE FUNCTION sauron_run_ended() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
      INSERT INTO run_ends (job_id, state, runs, ended_at, run_seconds, start_lateness_seconds)
      VALUES (NEW.job_id, NEW.state, greatest(NEW.gap_count, 1), NEW.finished_at,
        greatest(0, EXTRACT(EPOCH FROM NEW.finished_at - NEW.started_at)),
        CASE WHEN NEW.attempt = 1 THEN greatest(0, EXTRACT(EPOCH FROM NEW.started_at - NEW.due_at)) END);
      RETURN NULL;
    END $$
    """,
    """
    CREATE TRIGGER run_ended AFTER UPDATE OF finished_at ON job_queue FOR EACH ROW
    WHEN (OLD.finished_at IS NULL AND NEW.finished_at IS NOT NULL) EXECUTE FUNCTION sauron_run_ended()
    """,
    """
    CREATE TRIGGER run_ended_at_birth AFTER INSERT ON job_queue FOR EACH ROW
    WHEN (NEW.finished_at IS NOT NULL) EXECUTE FUNCTION sauron_run_ended()
    """,
    """
    INSERT INTO run_ends (job_id, state, runs, ended_at, run_seconds, start_lateness_seconds)
    SELECT job_id, state, greatest(gap_count, 1), finished_at,
      greatest(0, EXTRACT(EPOCH FROM finished_at - started_at)),
      CASE WHEN attempt = 1 THEN greatest(0, EXTRACT(EPOCH FROM started_at - due_at)) END
    FROM job_queue WHERE finished_at IS NOT NULL
    """,
)
SQLITE = (
    """
    CREATE TRIGGER run_ended AFTER UPDATE OF finished_at ON job_queue
    WHEN OLD.finished_at IS NULL AND NEW.finished_at IS NOT NULL BEGIN
      INSERT INTO run_ends (job_id, state, runs, ended_at, run_seconds, start_lateness_seconds)
      VALUES (NEW.job_id, NEW.state, max(NEW.gap_count, 1), NEW.finished_at,
        max(0, (julianday(NEW.finished_at) - julianday(NEW.started_at)) * 86400.0),
        CASE WHEN NEW.attempt = 1 THEN max(0, (julianday(NEW.started_at) - julianday(NEW.due_at)) * 86400.0) END);
    END
    """,
    """
    CREATE TRIGGER run_ended_at_birth AFTER INSERT ON job_queue
    WHEN NEW.finished_at IS NOT NULL BEGIN
      INSERT INTO run_ends (job_id, state, runs, ended_at, run_seconds, start_lateness_seconds)
      VALUES (NEW.job_id, NEW.state, max(NEW.gap_count, 1), NEW.finished_at,
        max(0, (julianday(NEW.finished_at) - julianday(NEW.started_at)) * 86400.0),
        CASE WHEN NEW.attempt = 1 THEN max(0, (julianday(NEW.started_at) - julianday(NEW.due_at)) * 86400.0) END);
    END
    """,
    """
    INSERT INTO run_ends (job_id, state, runs, ended_at, run_seconds, start_lateness_seconds)
    SELECT job_id, state, max(gap_count, 1), finished_at,
      max(0, (julianday(finished_at) - julianday(started_at)) * 86400.0),
      CASE WHEN attempt = 1 THEN max(0, (julianday(started_at) - julianday(due_at)) * 86400.0) END
    FROM job_queue WHERE finished_at IS NOT NULL
    """,
)


def upgrade() -> None:
    op.create_table(
        "run_ends",
        sa.Column("id", Serial, primary_key=True, autoincrement=True),
        sa.Column("job_id", sa.String(64), nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("runs", sa.Integer(), nullable=False),
        sa.Column("ended_at", Instant(), nullable=False),
        sa.Column("run_seconds", sa.Float()),
        sa.Column("start_lateness_seconds", sa.Float()),
    )
    op.create_table(
        "run_totals",
        sa.Column("job_id", sa.String(64), primary_key=True),
        sa.Column("state", sa.String(16), primary_key=True),
        sa.Column("runs", sa.BigInteger(), nullable=False),
        sa.Column("last_at", Instant(), nullable=False),
    )
    op.create_table(
        "run_timings",
        sa.Column("timing", sa.String(32), primary_key=True),
        sa.Column("bucket", sa.Integer(), primary_key=True),
        sa.Column("runs", sa.BigInteger(), nullable=False),
        sa.Column("seconds", sa.Float(), nullable=False),
    )
    # Once the triggers are there, no other process ends a run before this transaction does.
    for statement in SQLITE if op.get_bind().dialect.name == "sqlite" else POSTGRESQL:
        op.execute(sa.text(statement))
