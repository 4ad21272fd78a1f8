"""Who is told and what is copied: the outbox for Life Hub, incidents, alerts; what kind of fault a sync met, and since when."""

import sqlalchemy as sa
from alembic import op

from chalicelib.store.schema import Instant, Json, Serial

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("bundle_state", sa.Column("fault", sa.String(length=16), nullable=True))
    op.add_column("bundle_state", sa.Column("fault_count", sa.Integer(), server_default="0", nullable=False))
    op.add_column("bundle_state", sa.Column("failing_since", Instant(), nullable=True))
    op.create_table(
        "outbox",
        sa.Column("id", Serial, autoincrement=True, nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("job_id", sa.String(length=64), nullable=True),
        sa.Column("facts", Json, nullable=True),
        sa.Column("created_at", Instant(), nullable=False),
        sa.Column("refused", sa.Text(), nullable=True),
        sa.CheckConstraint("kind IN ('attempt', 'job', 'jobs')", name=op.f("ck_outbox_kind_known")),
        sa.CheckConstraint(
            "(kind = 'attempt') = (facts IS NOT NULL)", name=op.f("ck_outbox_attempt_has_facts")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_outbox")),
        sqlite_autoincrement=True,
    )
    op.create_index(
        "ix_outbox_waiting",
        "outbox",
        ["id"],
        unique=False,
        sqlite_where=sa.text("refused IS NULL"),
        postgresql_where=sa.text("refused IS NULL"),
    )
    op.create_index(
        "ix_outbox_refused",
        "outbox",
        ["id"],
        unique=False,
        sqlite_where=sa.text("refused IS NOT NULL"),
        postgresql_where=sa.text("refused IS NOT NULL"),
    )
    op.create_table(
        "incidents",
        sa.Column("id", Serial, autoincrement=True, nullable=False),
        sa.Column("subject", sa.String(length=128), nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("job_id", sa.String(length=64), nullable=True),
        sa.Column("run_id", sa.String(length=36), nullable=True),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("since", Instant(), nullable=False),
        sa.Column("told_at", Instant(), nullable=True),
        sa.Column("ended_at", Instant(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_incidents")),
        sqlite_autoincrement=True,
    )
    op.create_index(
        "uq_incidents_open",
        "incidents",
        ["subject", "kind"],
        unique=True,
        sqlite_where=sa.text("ended_at IS NULL"),
        postgresql_where=sa.text("ended_at IS NULL"),
    )
    op.create_index("ix_incidents_ended_at", "incidents", ["ended_at"], unique=False)
    op.create_index("ix_incidents_subject", "incidents", ["subject", "kind", "ended_at"], unique=False)
    op.create_table(
        "alerts",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("channel", sa.String(length=16), nullable=False),
        sa.Column("type", sa.String(length=64), nullable=False),
        sa.Column("data", Json, nullable=False),
        sa.Column("created_at", Instant(), nullable=False),
        sa.Column("tries", sa.Integer(), server_default="0", nullable=False),
        sa.Column("try_at", Instant(), nullable=True),
        sa.Column("sent_at", Instant(), nullable=True),
        sa.Column("error", sa.Text(), nullable=True),
        sa.CheckConstraint("channel IN ('mail', 'webhook')", name=op.f("ck_alerts_channel_known")),
        sa.CheckConstraint(
            "(try_at IS NULL) = (sent_at IS NOT NULL)", name=op.f("ck_alerts_waiting_has_time")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_alerts")),
    )
    op.create_index("ix_alerts_try_at", "alerts", ["try_at"], unique=False)
    op.create_index("ix_alerts_sent_at", "alerts", ["sent_at"], unique=False)
