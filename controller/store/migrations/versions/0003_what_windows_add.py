"""Windows tell the worker's share of a core, the mean temperature, energy per inference, and an undersized supply."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("windows", sa.Column("cpu_share", sa.Double(), nullable=True))
    op.add_column("windows", sa.Column("temperature_mean_celsius", sa.Double(), nullable=True))
    op.add_column("windows", sa.Column("energy_per_inference_joules", sa.Double(), nullable=True))
    op.add_column("windows", sa.Column("undervoltage", sa.Boolean(), nullable=True))


def downgrade() -> None:
    for name in ("undervoltage", "energy_per_inference_joules", "temperature_mean_celsius", "cpu_share"):
        op.drop_column("windows", name)
