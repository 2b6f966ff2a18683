"""What the smallest structure of a model takes, as the prune that found nothing smaller measured it."""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("jobs", sa.Column("least", sa.JSON()))


def downgrade() -> None:
    op.drop_column("jobs", "least")
