"""The first schema: queue, attempts, logs, registry, ledger periods, and Sauron's own state."""

import sqlalchemy as sa
from alembic import op

from chalicelib.store.schema import Instant, Json, Serial

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "attempts",
        sa.Column("run_id", sa.String(length=36), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("started_at", Instant(), nullable=False),
        sa.Column("finished_at", Instant(), nullable=True),
        sa.Column("outcome", sa.String(length=16), nullable=True),
        sa.Column("runner", sa.String(length=128), nullable=False),
        sa.Column("exit_code", sa.Integer(), nullable=True),
        sa.Column("signal", sa.Integer(), nullable=True),
        sa.Column("error", sa.Text(), nullable=True),
        sa.Column("error_type", sa.String(length=255), nullable=True),
        sa.Column("max_rss_kb", sa.BigInteger(), nullable=True),
        sa.Column("cpu_seconds", sa.Float(), nullable=True),
        sa.PrimaryKeyConstraint("run_id", "number", name=op.f("pk_attempts")),
    )
    op.create_table(
        "bundle_state",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("active_sha", sa.String(length=40), nullable=True),
        sa.Column("pinned_ref", sa.String(length=255), nullable=True),
        sa.Column("rejected", Json, nullable=True),
        sa.Column("tried_at", Instant(), nullable=True),
        sa.Column("last_sync", Instant(), nullable=True),
        sa.Column("last_error", sa.Text(), nullable=True),
        sa.Column("consecutive_failures", sa.Integer(), server_default="0", nullable=False),
        sa.CheckConstraint("id = 1", name=op.f("ck_bundle_state_one_row")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_bundle_state")),
    )
    op.create_table(
        "duties",
        sa.Column("name", sa.String(length=32), nullable=False),
        sa.Column("at", Instant(), nullable=False),
        sa.Column("detail", Json, nullable=True),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_duties")),
    )
    op.create_table(
        "job_queue",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("job_id", sa.String(length=64), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("origin", sa.String(length=16), nullable=False),
        sa.Column("fire_at", Instant(), nullable=True),
        sa.Column("due_at", Instant(), nullable=False),
        sa.Column("gap_from", Instant(), nullable=True),
        sa.Column("gap_count", sa.Integer(), server_default="0", nullable=False),
        sa.Column("revision", sa.String(length=40), nullable=True),
        sa.Column("attempt", sa.Integer(), server_default="0", nullable=False),
        sa.Column("max_attempts", sa.Integer(), nullable=False),
        sa.Column("params", Json, nullable=True),
        sa.Column("requested_by", sa.String(length=64), nullable=True),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("force", sa.Boolean(), server_default=sa.text("(false)"), nullable=False),
        sa.Column("idempotency_key", sa.String(length=255), nullable=True),
        sa.Column("created_at", Instant(), nullable=False),
        sa.Column("started_at", Instant(), nullable=True),
        sa.Column("finished_at", Instant(), nullable=True),
        sa.Column("error", sa.Text(), nullable=True),
        sa.Column("error_type", sa.String(length=255), nullable=True),
        sa.Column("result", Json, nullable=True),
        sa.Column("progress", sa.Float(), nullable=True),
        sa.Column("progress_note", sa.Text(), nullable=True),
        sa.Column("cancel_reason", sa.Text(), nullable=True),
        sa.Column("lease_owner", sa.String(length=128), nullable=True),
        sa.Column("lease_generation", sa.Integer(), server_default="0", nullable=False),
        sa.Column("lease_beat", sa.Integer(), server_default="0", nullable=False),
        sa.CheckConstraint(
            "(state = 'running') = (lease_owner IS NOT NULL)", name=op.f("ck_job_queue_running_has_owner")
        ),
        sa.CheckConstraint(
            "(state IN ('queued', 'running')) = (finished_at IS NULL)",
            name=op.f("ck_job_queue_final_has_end"),
        ),
        sa.CheckConstraint(
            "state IN ('queued', 'running', 'succeeded', 'degraded', 'failed', 'timed_out', 'cancelled', 'skipped', 'missed')",
            name=op.f("ck_job_queue_state_known"),
        ),
        sa.CheckConstraint("attempt >= 0 AND max_attempts >= 1", name=op.f("ck_job_queue_attempts_counted")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_job_queue")),
        sa.UniqueConstraint("job_id", "fire_at", name=op.f("uq_job_queue_job_id_fire_at")),
        sa.UniqueConstraint("job_id", "idempotency_key", name=op.f("uq_job_queue_job_id_idempotency_key")),
    )
    op.create_index(
        "ix_job_queue_due",
        "job_queue",
        ["due_at"],
        unique=False,
        sqlite_where=sa.text("state = 'queued'"),
        postgresql_where=sa.text("state = 'queued'"),
    )
    op.create_index("ix_job_queue_ended", "job_queue", ["finished_at"], unique=False)
    op.create_index("ix_job_queue_finished", "job_queue", ["job_id", "finished_at"], unique=False)
    op.create_index("ix_job_queue_newest", "job_queue", ["job_id", "id"], unique=False)
    op.create_index(
        "ix_job_queue_running",
        "job_queue",
        ["job_id"],
        unique=False,
        sqlite_where=sa.text("state = 'running'"),
        postgresql_where=sa.text("state = 'running'"),
    )
    op.create_table(
        "job_state",
        sa.Column("job_id", sa.String(length=64), nullable=False),
        sa.Column("key", sa.String(length=255), nullable=False),
        sa.Column("value", sa.Text(), nullable=False),
        sa.Column("updated_at", Instant(), nullable=False),
        sa.PrimaryKeyConstraint("job_id", "key", name=op.f("pk_job_state")),
    )
    op.create_table(
        "jobs",
        sa.Column("job_id", sa.String(length=64), nullable=False),
        sa.Column("source", sa.String(length=16), nullable=False),
        sa.Column("revision", sa.String(length=40), nullable=True),
        sa.Column("record", sa.Text(), nullable=False),
        sa.Column("definition_hash", sa.String(length=64), nullable=False),
        sa.Column("overlap", sa.String(length=16), nullable=False),
        sa.Column("enabled", sa.Boolean(), nullable=False),
        sa.Column("cursor", Instant(), nullable=False),
        sa.Column("next_fire_at", Instant(), nullable=True),
        sa.Column("ledger_from", Instant(), nullable=False),
        sa.Column("rejected", sa.Text(), nullable=True),
        sa.Column("removed_at", Instant(), nullable=True),
        sa.CheckConstraint("enabled OR next_fire_at IS NULL", name=op.f("ck_jobs_disabled_never_fires")),
        sa.CheckConstraint(
            "removed_at IS NULL OR next_fire_at IS NULL", name=op.f("ck_jobs_removed_never_fires")
        ),
        sa.PrimaryKeyConstraint("job_id", name=op.f("pk_jobs")),
    )
    op.create_index("ix_jobs_next_fire_at", "jobs", ["next_fire_at"], unique=False)
    op.create_table(
        "log_chunks",
        sa.Column("id", Serial, autoincrement=True, nullable=False),
        sa.Column("run_id", sa.String(length=36), nullable=False),
        sa.Column("attempt", sa.Integer(), nullable=False),
        sa.Column("written_at", Instant(), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_log_chunks")),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_log_chunks_run_id", "log_chunks", ["run_id", "id"], unique=False)
    op.create_index("ix_log_chunks_written_at", "log_chunks", ["written_at"], unique=False)
    op.create_table(
        "overrides",
        sa.Column("job_id", sa.String(length=64), nullable=False),
        sa.Column("enabled", sa.Boolean(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("by", sa.String(length=64), nullable=True),
        sa.Column("at", Instant(), nullable=False),
        sa.Column("until", Instant(), nullable=True),
        sa.PrimaryKeyConstraint("job_id", name=op.f("pk_overrides")),
    )
    op.create_index("ix_overrides_until", "overrides", ["until"], unique=False)
    op.create_table(
        "periods",
        sa.Column("id", Serial, autoincrement=True, nullable=False),
        sa.Column("job_id", sa.String(length=64), nullable=False),
        sa.Column("since", Instant(), nullable=False),
        sa.Column("until", Instant(), nullable=True),
        sa.Column("cron", sa.String(length=256), nullable=False),
        sa.Column("timezone", sa.String(length=64), nullable=False),
        sa.Column("revision", sa.String(length=40), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_periods")),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_periods_job_id", "periods", ["job_id", "since"], unique=False)
    op.create_index(
        "uq_periods_open",
        "periods",
        ["job_id"],
        unique=True,
        sqlite_where=sa.text("until IS NULL"),
        postgresql_where=sa.text("until IS NULL"),
    )
    op.create_table(
        "revisions",
        sa.Column("sha", sa.String(length=40), nullable=False),
        sa.Column("booted_at", Instant(), nullable=False),
        sa.Column("activated_at", Instant(), nullable=True),
        sa.Column("subject", sa.Text(), nullable=True),
        sa.Column("author", sa.Text(), nullable=True),
        sa.Column("jobs", Json, nullable=False),
        sa.Column("rejected", Json, nullable=False),
        sa.PrimaryKeyConstraint("sha", name=op.f("pk_revisions")),
    )
    op.create_table(
        "runners",
        sa.Column("name", sa.String(length=128), nullable=False),
        sa.Column("host", sa.String(length=255), nullable=False),
        sa.Column("pid", sa.Integer(), nullable=False),
        sa.Column("version", sa.String(length=32), nullable=False),
        sa.Column("started_at", Instant(), nullable=False),
        sa.Column("seen_at", Instant(), nullable=False),
        sa.Column("running", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_runners")),
    )
