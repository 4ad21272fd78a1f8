"""Pools and priorities, pauses, and chains of jobs.

The triggers that note the end of a run also note, for a job that others follow, that its children are to be
asked for: whichever act ends a run, in the transaction that ends it.
"""

import sqlalchemy as sa
from alembic import op

from chalicelib.store.schema import Instant, Json, Serial

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None

POSTGRESQL = (
    """
    CREATE OR REPLACE FUNCTION sauron_chain_ended() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
      INSERT INTO chain_ends (run_id)
      SELECT NEW.id WHERE NEW.flows AND EXISTS (SELECT 1 FROM chains WHERE parent = NEW.job_id);
      RETURN NULL;
    END $$
    """,
    """
    CREATE TRIGGER chain_ended AFTER UPDATE OF finished_at ON job_queue FOR EACH ROW
    WHEN (OLD.finished_at IS NULL AND NEW.finished_at IS NOT NULL) EXECUTE FUNCTION sauron_chain_ended()
    """,
    """
    CREATE TRIGGER chain_ended_at_birth AFTER INSERT ON job_queue FOR EACH ROW
    WHEN (NEW.finished_at IS NOT NULL) EXECUTE FUNCTION sauron_chain_ended()
    """,
)
SQLITE = (
    """
    CREATE TRIGGER chain_ended AFTER UPDATE OF finished_at ON job_queue
    WHEN OLD.finished_at IS NULL AND NEW.finished_at IS NOT NULL BEGIN
      INSERT INTO chain_ends (run_id)
      SELECT NEW.id WHERE NEW.flows AND EXISTS (SELECT 1 FROM chains WHERE parent = NEW.job_id);
    END
    """,
    """
    CREATE TRIGGER chain_ended_at_birth AFTER INSERT ON job_queue
    WHEN NEW.finished_at IS NOT NULL BEGIN
      INSERT INTO chain_ends (run_id)
      SELECT NEW.id WHERE NEW.flows AND EXISTS (SELECT 1 FROM chains WHERE parent = NEW.job_id);
    END
    """,
)


def upgrade() -> None:
    for column in (
        sa.Column("pool", sa.String(64)),
        sa.Column("priority", sa.Integer, nullable=False, server_default="0"),
        sa.Column("chain_at", Instant()),
        sa.Column("chain_key", sa.String(64)),
        sa.Column("parents", Json),
        sa.Column("flows", sa.Boolean(create_constraint=False), nullable=False, server_default=sa.true()),
    ):
        op.add_column("job_queue", column)
    preferred = sa.text("state = 'queued' AND priority > 0")
    op.create_index(
        "ix_job_queue_preferred",
        "job_queue",
        [sa.text("priority DESC"), "due_at", "id"],
        sqlite_where=preferred,
        postgresql_where=preferred,
    )
    chained = sa.text("chain_key IS NOT NULL")
    op.create_index(
        "uq_job_queue_chain_key",
        "job_queue",
        ["job_id", "chain_key"],
        unique=True,
        sqlite_where=chained,
        postgresql_where=chained,
    )
    op.create_table(
        "pools",
        sa.Column("name", sa.String(64), primary_key=True),
        sa.Column("size", sa.Integer, nullable=False),
    )
    op.create_table(
        "pauses",
        sa.Column("id", Serial, primary_key=True, autoincrement=True),
        sa.Column("since", Instant(), nullable=False),
        sa.Column("until", Instant()),
        sa.Column("by", sa.String(64)),
        sa.Column("reason", sa.Text),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "chains",
        sa.Column("parent", sa.String(64), primary_key=True),
        sa.Column("child", sa.String(64), primary_key=True),
    )
    op.create_table(
        "chain_ends",
        sa.Column("id", Serial, primary_key=True, autoincrement=True),
        sa.Column("run_id", sa.String(36), nullable=False),
        sqlite_autoincrement=True,
    )
    for statement in SQLITE if op.get_bind().dialect.name == "sqlite" else POSTGRESQL:
        op.execute(sa.text(statement))
