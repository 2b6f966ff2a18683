"""What owners prefer, what the gate said sample by sample, what prunes were predicted to win, and offers."""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

_COLUMNS: tuple[tuple[str, sa.Column[object]], ...] = (
    ("models", sa.Column("prefer", sa.Text(), nullable=False, server_default="accuracy")),
    ("models", sa.Column("ladder", sa.Integer(), nullable=False, server_default="0")),
    ("models", sa.Column("recovery", sa.JSON())),
    ("variants", sa.Column("evidence", sa.JSON())),
    ("jobs", sa.Column("audit", sa.Boolean(), nullable=False, server_default=sa.false())),
    ("jobs", sa.Column("prediction", sa.JSON())),
    ("placements", sa.Column("rollout", sa.Text())),
    ("placements", sa.Column("offered", sa.Boolean(), nullable=False, server_default=sa.false())),
)


def upgrade() -> None:
    for table, column in _COLUMNS:
        op.add_column(table, column)


def downgrade() -> None:
    for table, column in reversed(_COLUMNS):
        op.drop_column(table, column.name)
