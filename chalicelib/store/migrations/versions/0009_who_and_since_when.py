"""What a job was at any time and who decided it; since when and until when no tick came."""

import sqlalchemy as sa
from alembic import op

from chalicelib.store.schema import Instant, Serial

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "standings",
        sa.Column("id", Serial, autoincrement=True, nullable=False),
        sa.Column("job_id", sa.String(64), nullable=False),
        sa.Column("since", Instant(), nullable=False),
        sa.Column("enabled", sa.Boolean(), nullable=False),
        sa.Column("overridden", sa.Boolean(), nullable=False),
        sa.Column("who", sa.String(64)),
        sa.Column("reason", sa.Text()),
        sa.Column("until", Instant()),
        sa.Column("rejected", sa.Text()),
        sa.Column("removed", sa.Boolean(), nullable=False),
        sa.Column("revision", sa.String(40)),
        sa.Column("renamed_from", sa.String(64)),
        sa.PrimaryKeyConstraint("id", name="pk_standings"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_standings_job_id", "standings", ["job_id", "since"])
    op.create_table(
        "silences",
        sa.Column("since", Instant(), nullable=False),
        sa.Column("until", Instant(), nullable=False),
        sa.PrimaryKeyConstraint("since", name="pk_silences"),
    )
