"""A store as an older Sauron left it: what later migrations made is taken away again."""

from __future__ import annotations

from sqlalchemy import text

from chalicelib.store import Store, schema
from chalicelib.store.database import Tx

BEFORE = {  # indexes that a migration dropped, columns of other tables that it added
    "0017": (
        "DROP INDEX ix_job_queue_ended",
        "CREATE INDEX ix_job_queue_ended ON job_queue (finished_at)",
        "DROP INDEX ix_job_queue_by_due",
        "CREATE INDEX ix_job_queue_by_due ON job_queue (due_at, id)",
        """CREATE INDEX ix_job_queue_preferred ON job_queue (priority DESC, due_at, id)
        WHERE state = 'queued' AND priority > 0""",
    ),
    "0018": (
        "ALTER TABLE attempts DROP COLUMN usage",
        "ALTER TABLE audit_log DROP COLUMN address",
        "ALTER TABLE audit_log DROP COLUMN result",
    ),
    "0016": ("ALTER TABLE pauses DROP COLUMN ended",),
    "0015": ("CREATE INDEX ix_run_ends_job_id ON run_ends (job_id)",),
    "0014": ("ALTER TABLE revisions DROP COLUMN authored_at",),
}
SINCE = {  # tables, indexes, triggers and columns of job_queue, by the migration that made them
    "0018": ((), (), (), ("progress_at",)),
    "0017": ((), ("ix_job_queue_by_priority",), (), ()),
    "0016": ((), (), (), ()),
    "0015": ((), (), (), ()),
    "0014": (("ended_sessions",), ("ix_audit_log_subject",), (), ()),
    "0013": ((), ("ix_job_queue_by_state", "ix_job_queue_by_due"), (), ()),
    "0012": (
        ("pools", "pauses", "chains", "chain_ends"),
        ("ix_job_queue_preferred", "uq_job_queue_chain_key"),
        ("chain_ended", "chain_ended_at_birth"),
        ("pool", "priority", "chain_at", "chain_key", "parents", "flows"),
    ),
    "0011": (("run_days",), ("ix_run_ends_job_id", "ix_job_queue_not_well"), (), ()),
    "0010": (("audit_log",), (), (), ()),
    "0009": (("standings", "silences"), (), (), ()),
    "0008": (("run_ends", "run_totals", "run_timings"), (), ("run_ended", "run_ended_at_birth"), ()),
}


def as_schema(store: Store, tx: Tx, version: str) -> None:
    """Take the schema of a store back to a version, and keep the rows."""
    for made, (tables, indexes, triggers, columns) in SINCE.items():
        if made <= version:
            break
        for statement in BEFORE.get(made, ()):
            tx.execute(text(statement))
        for trigger in triggers:
            tx.execute(text(f"DROP TRIGGER {trigger}{'' if store.sqlite else ' ON job_queue'}"))
        for index in indexes:
            tx.execute(text(f"DROP INDEX {index}"))
        for column in columns:
            tx.execute(text(f"ALTER TABLE job_queue DROP COLUMN {column}"))
        if made == "0015" and store.sqlite:
            _attempts_with_rowid(tx)
        for table in tables:
            schema.metadata.tables[table].drop(tx)
    tx.execute(text("UPDATE alembic_version SET version_num = :version"), {"version": version})


def _attempts_with_rowid(tx: Tx) -> None:
    """Give the attempts of an SQLite store the table that they had before 0015."""
    made: str = tx.execute(text("SELECT sql FROM sqlite_master WHERE name = 'attempts'")).scalar_one()
    tx.execute(text("ALTER TABLE attempts RENAME TO newer"))
    tx.execute(text(made.replace("WITHOUT ROWID", "")))
    tx.execute(text("INSERT INTO attempts SELECT * FROM newer"))
    tx.execute(text("DROP TABLE newer"))
