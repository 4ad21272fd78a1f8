"""An alert's channel is mail, webhook, or one of any number of chats, each with a name of its own.

SQLite cannot change a constraint, so there the table is written anew with the rows that it has.
"""

import sqlalchemy as sa
from alembic import op

from chalicelib.store.schema import Instant, Json

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    if op.get_bind().dialect.name == "postgresql":
        op.drop_constraint(op.f("ck_alerts_channel_known"), "alerts", type_="check")
        op.alter_column("alerts", "channel", type_=sa.String(64), existing_nullable=False)
        op.create_check_constraint(op.f("ck_alerts_channel_named"), "alerts", "channel <> ''")
        return
    op.execute(sa.text("DROP INDEX ix_alerts_try_at"))
    op.execute(sa.text("DROP INDEX ix_alerts_sent_at"))
    op.rename_table("alerts", "alerts_before_0007")
    op.create_table(
        "alerts",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("channel", sa.String(length=64), nullable=False),
        sa.Column("type", sa.String(length=64), nullable=False),
        sa.Column("data", Json, nullable=False),
        sa.Column("created_at", Instant(), nullable=False),
        sa.Column("tries", sa.Integer(), server_default="0", nullable=False),
        sa.Column("try_at", Instant(), nullable=True),
        sa.Column("sent_at", Instant(), nullable=True),
        sa.Column("error", sa.Text(), nullable=True),
        sa.CheckConstraint("channel <> ''", name=op.f("ck_alerts_channel_named")),
        sa.CheckConstraint(
            "(try_at IS NULL) = (sent_at IS NOT NULL)", name=op.f("ck_alerts_waiting_has_time")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_alerts")),
    )
    op.execute(
        sa.text(
            "INSERT INTO alerts (id, channel, type, data, created_at, tries, try_at, sent_at, error) "
            "SELECT id, channel, type, data, created_at, tries, try_at, sent_at, error "
            "FROM alerts_before_0007"
        )
    )
    op.drop_table("alerts_before_0007")
    op.create_index("ix_alerts_try_at", "alerts", ["try_at"], unique=False)
    op.create_index("ix_alerts_sent_at", "alerts", ["sent_at"], unique=False)
