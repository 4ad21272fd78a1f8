"""The tables, declared once for SQLite and PostgreSQL. `migrations/` builds them; a test compares both.

The database makes it true: at most one run per occurrence, a running run has an owner, a final run has an
end. Times are aware UTC: TIMESTAMPTZ on PostgreSQL, fixed-width ISO 8601 text on SQLite, so that they sort
and a person can read them. The condition of a partial index is declared once, as `sqlite_where`, and has the
same words on PostgreSQL: naming that dialect here would load it where it is not used.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    ColumnElement,
    Dialect,
    Float,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    Text,
    TypeDecorator,
    UniqueConstraint,
    literal_column,
    select,
    text,
)
from sqlalchemy.types import TypeEngine

from chalicelib.model.runs import RunState

HEAD = "0018"  # the newest migration; a test compares it with the migrations folder


class Instant(TypeDecorator[datetime]):
    """An aware UTC instant to the microsecond."""

    impl = String(27)
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        """Choose the column type of this database."""
        if dialect.name != "postgresql":
            return dialect.type_descriptor(String(27))
        from sqlalchemy.dialects.postgresql import TIMESTAMP

        return dialect.type_descriptor(TIMESTAMP(timezone=True))

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> Any:
        """Write an instant; naive datetimes are refused."""
        if value is None or dialect.name == "postgresql":
            return value
        if value.tzinfo is not UTC:
            value = value.astimezone(UTC)
        return value.isoformat(timespec="microseconds").replace("+00:00", "Z") if value.year >= 1000 else None  # noqa: PLR2004 - no earlier instant is written

    def process_result_value(self, value: Any, dialect: Dialect) -> datetime | None:  # noqa: ARG002
        """Read an instant."""
        return read_instant(value)


def read_instant(stored: str | datetime | None) -> datetime | None:
    """Return the instant that a driver returned as it is stored."""
    if stored is None:
        return None
    return datetime.fromisoformat(stored) if isinstance(stored, str) else stored.astimezone(UTC)


class Json(TypeDecorator[Any]):
    """A JSON value: text on SQLite, JSONB on PostgreSQL, whose dialect is loaded where it is used alone."""

    impl = JSON(none_as_null=True)
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        """Choose the column type of this database."""
        if dialect.name != "postgresql":
            return dialect.type_descriptor(JSON(none_as_null=True))
        from sqlalchemy.dialects.postgresql import JSONB

        return dialect.type_descriptor(JSONB(none_as_null=True))


Serial = BigInteger().with_variant(Integer, "sqlite")

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "pk": "pk_%(table_name)s",
    }
)

_STATES = ", ".join(f"'{state}'" for state in RunState)

job_queue = Table(
    "job_queue",
    metadata,
    Column("id", String(36), primary_key=True),
    Column("job_id", String(64), nullable=False),
    Column("state", String(16), nullable=False),
    Column("origin", String(16), nullable=False),
    Column("fire_at", Instant),
    Column("due_at", Instant, nullable=False),
    Column("gap_from", Instant),
    Column("gap_count", Integer, nullable=False, server_default="0"),
    Column("revision", String(40)),
    Column("attempt", Integer, nullable=False, server_default="0"),
    Column("max_attempts", Integer, nullable=False),
    Column("params", Json),
    Column("requested_by", String(64)),
    Column("reason", Text),
    Column("force", Boolean(create_constraint=False), nullable=False, server_default=text("false")),
    Column("idempotency_key", String(255)),
    Column("created_at", Instant, nullable=False),
    Column("started_at", Instant),
    Column("finished_at", Instant),
    Column("error", Text),
    Column("error_type", String(255)),
    Column("result", Json),
    Column("progress", Float),
    Column("progress_note", Text),
    Column("cancel_reason", Text),
    Column("lease_owner", String(128)),
    Column("lease_generation", Integer, nullable=False, server_default="0"),
    Column("lease_beat", Integer, nullable=False, server_default="0"),
    Column("dispatched_until", Instant),
    Column("lease_beat_at", Instant),
    Column("pool", String(64)),
    Column("priority", Integer, nullable=False, server_default="0"),
    Column("chain_at", Instant),
    Column("chain_key", String(64)),
    Column("parents", Json),
    Column("flows", Boolean(create_constraint=False), nullable=False, server_default=text("true")),
    Column("progress_at", Instant),
    UniqueConstraint("job_id", "fire_at"),
    UniqueConstraint("job_id", "idempotency_key"),
    CheckConstraint(f"state IN ({_STATES})", name="state_known"),
    CheckConstraint("(state = 'running') = (lease_owner IS NOT NULL)", name="running_has_owner"),
    CheckConstraint("(state IN ('queued', 'running')) = (finished_at IS NULL)", name="final_has_end"),
    CheckConstraint("attempt >= 0 AND max_attempts >= 1", name="attempts_counted"),
)


def word(value: str) -> ColumnElement[str]:
    """Return one of our own words as SQL text, so that it is part of the plan and not a parameter."""
    return literal_column(f"'{value}'")


# Written as literals: a partial index serves no bound parameter.
QUEUED = word(RunState.QUEUED)
RUNNING = word(RunState.RUNNING)

Index(
    "ix_job_queue_due",
    job_queue.c.due_at,
    job_queue.c.id,
    sqlite_where=text("state = 'queued'"),
)
# The few that are claimed before or after all others: empty where no job has a priority.
Index(
    "ix_job_queue_by_priority",
    job_queue.c.priority.desc(),
    job_queue.c.due_at,
    job_queue.c.id,
    sqlite_where=text("state = 'queued' AND priority <> 0"),
)
Index(
    "uq_job_queue_chain_key",
    job_queue.c.job_id,
    job_queue.c.chain_key,
    unique=True,
    sqlite_where=text("chain_key IS NOT NULL"),
)
Index(
    "ix_job_queue_running",
    job_queue.c.job_id,
    sqlite_where=text("state = 'running'"),
)
Index("ix_job_queue_finished", job_queue.c.job_id, job_queue.c.finished_at)
NOT_WELL = text("finished_at IS NOT NULL AND state <> 'succeeded'")
Index(
    "ix_job_queue_not_well",
    job_queue.c.job_id,
    job_queue.c.finished_at,
    sqlite_where=NOT_WELL,
)
Index(
    "ix_job_queue_by_state",
    job_queue.c.state,
    job_queue.c.id,
    job_queue.c.due_at,
    sqlite_where=NOT_WELL,
)
# Not in the order of claims: PostgreSQL would claim by it while its statistics say that all runs are queued.
Index("ix_job_queue_by_due", job_queue.c.due_at.desc(), job_queue.c.id)
Index("ix_job_queue_newest", job_queue.c.job_id, job_queue.c.id)
Index("ix_job_queue_ended", job_queue.c.finished_at, sqlite_where=text("finished_at IS NOT NULL"))

attempts = Table(
    "attempts",
    metadata,
    Column("run_id", String(36), primary_key=True),
    Column("number", Integer, primary_key=True),
    Column("started_at", Instant, nullable=False),
    Column("finished_at", Instant),
    Column("outcome", String(16)),
    Column("runner", String(128), nullable=False),
    Column("exit_code", Integer),
    Column("signal", Integer),
    Column("error", Text),
    Column("error_type", String(255)),
    Column("max_rss_kb", BigInteger),
    Column("cpu_seconds", Float),
    Column("usage", Json),
    sqlite_with_rowid=False,
)

log_chunks = Table(
    "log_chunks",
    metadata,
    Column("id", Serial, primary_key=True, autoincrement=True),
    Column("run_id", String(36), nullable=False),
    Column("attempt", Integer, nullable=False),
    Column("written_at", Instant, nullable=False),
    Column("text", Text, nullable=False),
    sqlite_autoincrement=True,
)
Index("ix_log_chunks_run_id", log_chunks.c.run_id, log_chunks.c.id)
Index("ix_log_chunks_written_at", log_chunks.c.written_at)

jobs = Table(
    "jobs",
    metadata,
    Column("job_id", String(64), primary_key=True),
    Column("source", String(16), nullable=False),
    Column("revision", String(40)),
    Column("record", Text, nullable=False),
    Column("definition_hash", String(64), nullable=False),
    Column("overlap", String(16), nullable=False),
    Column("enabled", Boolean(create_constraint=False), nullable=False),
    Column("cursor", Instant, nullable=False),
    Column("next_fire_at", Instant),
    Column("ledger_from", Instant, nullable=False),
    Column("rejected", Text),
    Column("removed_at", Instant),
    CheckConstraint("removed_at IS NULL OR next_fire_at IS NULL", name="removed_never_fires"),
    CheckConstraint("enabled OR next_fire_at IS NULL", name="disabled_never_fires"),
)
Index("ix_jobs_next_fire_at", jobs.c.next_fire_at)

overrides = Table(
    "overrides",
    metadata,
    Column("job_id", String(64), primary_key=True),
    Column("enabled", Boolean(create_constraint=False), nullable=False),
    Column("reason", Text),
    Column("by", String(64)),
    Column("at", Instant, nullable=False),
    Column("until", Instant),
)
Index("ix_overrides_until", overrides.c.until)

# How many runs of each pool may run at once. A pool without a row has the size 1.
pools = Table(
    "pools",
    metadata,
    Column("name", String(64), primary_key=True),
    Column("size", Integer, nullable=False),
)

# The times during which nothing was to start: after `since`, until `until` (None: until somebody says so).
# `ended`: somebody said so.
pauses = Table(
    "pauses",
    metadata,
    Column("id", Serial, primary_key=True, autoincrement=True),
    Column("since", Instant, nullable=False),
    Column("until", Instant),
    Column("by", String(64)),
    Column("reason", Text),
    Column("ended", Boolean(create_constraint=False), nullable=False, server_default=text("false")),
    sqlite_autoincrement=True,
)

# Which job follows which. A trigger of the database notes each run of a parent that ended.
chains = Table(
    "chains",
    metadata,
    Column("parent", String(64), primary_key=True),
    Column("child", String(64), primary_key=True),
)
chain_ends = Table(
    "chain_ends",
    metadata,
    Column("id", Serial, primary_key=True, autoincrement=True),
    Column("run_id", String(36), nullable=False),
    sqlite_autoincrement=True,
)

# The times during which a schedule was in force for a job: what `audit` recomputes the pure schedule over.
periods = Table(
    "periods",
    metadata,
    Column("id", Serial, primary_key=True, autoincrement=True),
    Column("job_id", String(64), nullable=False),
    Column("since", Instant, nullable=False),
    Column("until", Instant),
    Column("cron", String(256), nullable=False),
    Column("timezone", String(64), nullable=False),
    Column("revision", String(40)),
    sqlite_autoincrement=True,
)
Index("ix_periods_job_id", periods.c.job_id, periods.c.since)
Index(
    "uq_periods_open",
    periods.c.job_id,
    unique=True,
    sqlite_where=text("until IS NULL"),
)

# What a job was from an instant on, and who decided it: on or off, by git or by an operator; rejected; gone.
standings = Table(
    "standings",
    metadata,
    Column("id", Serial, primary_key=True, autoincrement=True),
    Column("job_id", String(64), nullable=False),
    Column("since", Instant, nullable=False),
    Column("enabled", Boolean(create_constraint=False), nullable=False),
    Column("overridden", Boolean(create_constraint=False), nullable=False),
    Column("who", String(64)),
    Column("reason", Text),
    Column("until", Instant),
    Column("rejected", Text),
    Column("removed", Boolean(create_constraint=False), nullable=False),
    Column("revision", String(40)),
    Column("renamed_from", String(64)),
    sqlite_autoincrement=True,
)
Index("ix_standings_job_id", standings.c.job_id, standings.c.since)

# The times without a tick in which occurrences may have been missed: from the last tick to the next.
silences = Table(
    "silences",
    metadata,
    Column("since", Instant, primary_key=True),
    Column("until", Instant, nullable=False),
)

revisions = Table(
    "revisions",
    metadata,
    Column("sha", String(40), primary_key=True),
    Column("booted_at", Instant, nullable=False),
    Column("activated_at", Instant),
    Column("subject", Text),
    Column("author", Text),
    Column("jobs", Json, nullable=False),
    Column("rejected", Json, nullable=False),
    Column("remarks", Json, nullable=False, server_default="[]"),
    Column("authored_at", Instant),
)

# One row: what the bundle is at, and what the last sync said.
bundle_state = Table(
    "bundle_state",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("active_sha", String(40)),
    Column("pinned_ref", String(255)),
    Column("branch", String(255)),
    Column("tried_at", Instant),
    Column("last_sync", Instant),
    Column("last_error", Text),
    Column("consecutive_failures", Integer, nullable=False, server_default="0"),
    Column("fault", String(16)),
    Column("fault_count", Integer, nullable=False, server_default="0"),
    Column("failing_since", Instant),
    CheckConstraint("id = 1", name="one_row"),
)
ACTIVE_SHA = select(bundle_state.c.active_sha).scalar_subquery()

# When each duty last did its work, by whichever process: what liveness and missed time are measured by.
duties = Table(
    "duties",
    metadata,
    Column("name", String(32), primary_key=True),
    Column("at", Instant, nullable=False),
    Column("detail", Json),
)

runners = Table(
    "runners",
    metadata,
    Column("name", String(128), primary_key=True),
    Column("host", String(255), nullable=False),
    Column("pid", Integer, nullable=False),
    Column("version", String(32), nullable=False),
    Column("started_at", Instant, nullable=False),
    Column("seen_at", Instant, nullable=False),
    Column("revision", String(40)),
    Column("draining", Boolean(create_constraint=False), nullable=False, server_default=text("false")),
)

job_state = Table(
    "job_state",
    metadata,
    Column("job_id", String(64), primary_key=True),
    Column("key", String(255), primary_key=True),
    Column("value", Text, nullable=False),
    Column("updated_at", Instant, nullable=False),
)

# How many runs ended in which state: kept when the runs are deleted. A trigger writes a row of `run_ends` for
# each run that ends, in the transaction that ends it; `run_totals.fold` adds these rows to the totals.
run_ends = Table(
    "run_ends",
    metadata,
    Column("id", Serial, primary_key=True, autoincrement=True),
    Column("job_id", String(64), nullable=False),
    Column("state", String(16), nullable=False),
    Column("runs", Integer, nullable=False),
    Column("ended_at", Instant, nullable=False),
    Column("run_seconds", Float),
    Column("start_lateness_seconds", Float),
)
run_totals = Table(
    "run_totals",
    metadata,
    Column("job_id", String(64), primary_key=True),
    Column("state", String(16), primary_key=True),
    Column("runs", BigInteger, nullable=False),
    Column("last_at", Instant, nullable=False),
)
# The same by the UTC day on which they ended: what pages show of a month and of a year.
run_days = Table(
    "run_days",
    metadata,
    Column("job_id", String(64), primary_key=True),
    Column("day", String(10), primary_key=True),
    Column("state", String(16), primary_key=True),
    Column("runs", BigInteger, nullable=False),
)
run_timings = Table(
    "run_timings",
    metadata,
    Column("timing", String(32), primary_key=True),
    Column("bucket", Integer, primary_key=True),
    Column("runs", BigInteger, nullable=False),
    Column("seconds", Float, nullable=False),
)

# What waits to be copied to Life Hub, in the order of its happening. An attempt carries its facts, which may
# be pruned before the copy is made; `job` and `jobs` say only that a definition, or all of them, are to be
# copied as they are then.
outbox = Table(
    "outbox",
    metadata,
    Column("id", Serial, primary_key=True, autoincrement=True),
    Column("kind", String(16), nullable=False),
    Column("job_id", String(64)),
    Column("facts", Json),
    Column("created_at", Instant, nullable=False),
    Column("refused", Text),
    CheckConstraint("kind IN ('attempt', 'job', 'jobs')", name="kind_known"),
    CheckConstraint("(kind = 'attempt') = (facts IS NOT NULL)", name="attempt_has_facts"),
    sqlite_autoincrement=True,
)
Index(
    "ix_outbox_waiting",
    outbox.c.id,
    sqlite_where=text("refused IS NULL"),
)

Index(
    "ix_outbox_refused",
    outbox.c.id,
    sqlite_where=text("refused IS NOT NULL"),
)

# What is or was wrong: with a job, or with Sauron itself. One is open at most per subject and kind.
incidents = Table(
    "incidents",
    metadata,
    Column("id", Serial, primary_key=True, autoincrement=True),
    Column("subject", String(128), nullable=False),
    Column("kind", String(16), nullable=False),
    Column("job_id", String(64)),
    Column("run_id", String(36)),
    Column("reason", Text, nullable=False),
    Column("since", Instant, nullable=False),
    Column("told_at", Instant),
    Column("ended_at", Instant),
    sqlite_autoincrement=True,
)
Index(
    "uq_incidents_open",
    incidents.c.subject,
    incidents.c.kind,
    unique=True,
    sqlite_where=text("ended_at IS NULL"),
)
Index("ix_incidents_ended_at", incidents.c.ended_at)
Index("ix_incidents_subject", incidents.c.subject, incidents.c.kind, incidents.c.ended_at)

# What people are told, one row per channel it goes through, kept until it was delivered and a while longer.
alerts = Table(
    "alerts",
    metadata,
    Column("id", String(36), primary_key=True),
    Column("channel", String(64), nullable=False),
    Column("type", String(64), nullable=False),
    Column("data", Json, nullable=False),
    Column("created_at", Instant, nullable=False),
    Column("tries", Integer, nullable=False, server_default="0"),
    Column("try_at", Instant),
    Column("sent_at", Instant),
    Column("error", Text),
    CheckConstraint("channel <> ''", name="channel_named"),
    CheckConstraint("(try_at IS NULL) = (sent_at IS NOT NULL)", name="waiting_has_time"),
)
Index("ix_alerts_try_at", alerts.c.try_at)
Index("ix_alerts_sent_at", alerts.c.sent_at)

# Who did what, through which door, and why: every act of a person or a program, done or refused.
audit_log = Table(
    "audit_log",
    metadata,
    Column("id", Serial, primary_key=True, autoincrement=True),
    Column("at", Instant, nullable=False),
    Column("who", String(64), nullable=False),
    Column("door", String(8), nullable=False),
    Column("act", String(32), nullable=False),
    Column("subject", String(255), nullable=False),
    Column("reason", Text),
    Column("outcome", String(8), nullable=False),
    Column("detail", Text),
    Column("address", String(64)),
    Column("result", Json),
    CheckConstraint("door IN ('http', 'page', 'cli', 'mcp', 'hook')", name="door_known"),
    CheckConstraint("outcome IN ('done', 'refused')", name="outcome_known"),
    sqlite_autoincrement=True,
)
Index("ix_audit_log_at", audit_log.c.at)
Index("ix_audit_log_who", audit_log.c.who, audit_log.c.at)
Index("ix_audit_log_subject", audit_log.c.subject, audit_log.c.id)

# Digests of the cookies of browsers that signed out, until these would have ended by themselves.
ended_sessions = Table(
    "ended_sessions",
    metadata,
    Column("mark", String(64), primary_key=True),
    Column("until", Instant, nullable=False),
)
