"""Who is connected is known from what is heard, and no row of it is kept."""

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.drop_column("devices", "online")


def downgrade() -> None:
    op.add_column("devices", sa.Column("online", sa.Boolean(), nullable=False, server_default=sa.false()))
