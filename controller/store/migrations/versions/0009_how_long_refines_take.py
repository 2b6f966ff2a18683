"""How long a variant may be made better once it is there: what a model's owner wants, and what one job was given."""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("models", sa.Column("refine_s", sa.Double(), nullable=False, server_default="0"))
    op.add_column("jobs", sa.Column("budget_s", sa.Double()))


def downgrade() -> None:
    op.drop_column("jobs", "budget_s")
    op.drop_column("models", "refine_s")
