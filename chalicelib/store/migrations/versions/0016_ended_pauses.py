"""Whether somebody ended a pause: of one that is over, no clock that is behind says that it lasts."""

import sqlalchemy as sa
from alembic import op

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column(
        "pauses",
        sa.Column(
            "ended", sa.Boolean(create_constraint=False), nullable=False, server_default=sa.text("false")
        ),
    )
