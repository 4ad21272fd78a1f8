"""What a run in progress uses, since when it says what it says, and what came of an act and from where."""

import sqlalchemy as sa
from alembic import op

from chalicelib.store.schema import Instant, Json

revision = "0018"
down_revision = "0017"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("job_queue", sa.Column("progress_at", Instant))
    op.add_column("attempts", sa.Column("usage", Json))
    op.add_column("audit_log", sa.Column("address", sa.String(64)))
    op.add_column("audit_log", sa.Column("result", Json))
