"""Requests about many devices, which go on after a restart."""

import sqlalchemy as sa
from alembic import op

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "bulks",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("token", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("selector", sa.Text()),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("total", sa.BigInteger(), nullable=False),
        sa.Column("cursor", sa.BigInteger(), nullable=False),
        sa.Column("done", sa.BigInteger(), nullable=False),
        sa.Column("failed", sa.BigInteger(), nullable=False),
        sa.Column("asked_unix_s", sa.Double(), nullable=False),
        sa.Column("finished_unix_s", sa.Double()),
        sa.PrimaryKeyConstraint("id", name="pk_bulks"),
        sa.UniqueConstraint("token", name="uq_bulks_token"),
    )
    op.create_table(
        "bulk_items",
        sa.Column("bulk", sa.Text(), nullable=False),
        sa.Column("first", sa.BigInteger(), nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(["bulk"], ["bulks.id"], name="fk_bulk_items_bulk_bulks"),
        sa.PrimaryKeyConstraint("bulk", "first", name="pk_bulk_items"),
    )
    op.create_table(
        "bulk_failures",
        sa.Column("bulk", sa.Text(), nullable=False),
        sa.Column("position", sa.BigInteger(), nullable=False),
        sa.Column("device", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["bulk"], ["bulks.id"], name="fk_bulk_failures_bulk_bulks"),
        sa.PrimaryKeyConstraint("bulk", "position", name="pk_bulk_failures"),
    )


def downgrade() -> None:
    op.drop_table("bulk_failures")
    op.drop_table("bulk_items")
    op.drop_table("bulks")
