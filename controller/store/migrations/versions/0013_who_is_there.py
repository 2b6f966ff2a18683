"""Who is connected is known from what is heard, and no row of it is kept; windows say when they were closed."""

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.drop_column("devices", "online")
    op.add_column("windows", sa.Column("closed_unix_s", sa.Double()))
    op.add_column("windows", sa.Column("history", sa.Boolean(), nullable=False, server_default=sa.false()))


def downgrade() -> None:
    op.drop_column("windows", "history")
    op.drop_column("windows", "closed_unix_s")
    op.add_column("devices", sa.Column("online", sa.Boolean(), nullable=False, server_default=sa.false()))
