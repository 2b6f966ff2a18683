"""Variants are made for one of several runtimes; those of before are ONNX."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("variants", sa.Column("runtime", sa.Text(), nullable=False, server_default="onnxruntime"))


def downgrade() -> None:
    op.drop_column("variants", "runtime")
