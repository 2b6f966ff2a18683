"""The bare runtime's RAM belongs to what was measured beside it: each runtime has its own."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("variants", sa.Column("ram_base_bytes", sa.BigInteger(), nullable=False, server_default="0"))
    op.execute(
        "UPDATE variants SET ram_base_bytes = (SELECT ram_base_bytes FROM models WHERE models.ref = variants.model)"
        " WHERE runtime = 'onnxruntime'"
    )
    op.drop_column("models", "ram_base_bytes")


def downgrade() -> None:
    op.add_column("models", sa.Column("ram_base_bytes", sa.BigInteger(), nullable=False, server_default="0"))
    op.execute(
        "UPDATE models SET ram_base_bytes = COALESCE((SELECT MAX(ram_base_bytes) FROM variants"
        " WHERE variants.model = models.ref AND variants.runtime = 'onnxruntime'), 0)"
    )
    op.drop_column("variants", "ram_base_bytes")
