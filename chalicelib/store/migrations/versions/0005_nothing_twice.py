"""What the other tables tell is no longer stored a second time.

How many runs a runner executes is the number of its leases; what the active revision left out is in
`revisions`; when the upkeep last ended was never read.
"""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.drop_column("runners", "running")
    op.drop_column("bundle_state", "rejected")
    op.execute(sa.text("DELETE FROM duties WHERE name IN ('upkeep', 'sync')"))
