"""Which branch the bundle follows where none is configured, and what a revision's author should know."""

import sqlalchemy as sa
from alembic import op

from chalicelib.store.schema import Json

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("bundle_state", sa.Column("branch", sa.String(255)))
    op.add_column("revisions", sa.Column("remarks", Json, nullable=False, server_default="[]"))
