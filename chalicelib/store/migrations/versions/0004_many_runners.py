"""Several runners, or none: when a run was last sent word of, when its lease was last renewed, what a runner has and may do."""

import sqlalchemy as sa
from alembic import op

from chalicelib.store.schema import Instant

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("job_queue", sa.Column("dispatched_until", Instant()))
    op.add_column("job_queue", sa.Column("lease_beat_at", Instant()))
    op.add_column("runners", sa.Column("revision", sa.String(40)))
    op.add_column(
        "runners", sa.Column("draining", sa.Boolean(), nullable=False, server_default=sa.text("false"))
    )
