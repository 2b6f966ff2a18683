"""Windows are kept in parts of a day, and rolled up by the hour; what is there stays where it is, as the first part.
Who sent what is remembered beside them, so that none needs an index to be known again."""

import sqlalchemy as sa
from alembic import op

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None

_MARKS = "INSERT INTO marks SELECT device, boot, max(seq), max(id) FROM windows GROUP BY device, boot"
_UPTO = "INSERT INTO meta SELECT 'marks_upto', CAST(max(id) AS TEXT) FROM windows HAVING max(id) IS NOT NULL"


def upgrade() -> None:
    op.add_column("windows", sa.Column("outside", sa.Boolean()))
    op.create_table(
        "marks",
        sa.Column("device", sa.Text(), nullable=False),
        sa.Column("boot", sa.Text(), nullable=False),
        sa.Column("seq", sa.BigInteger(), nullable=False),
        sa.Column("newest_id", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("device", "boot", name=op.f("pk_marks")),
    )
    op.create_table(
        "clock_steps",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("upto_id", sa.BigInteger(), nullable=False),
        sa.Column("since_unix_s", sa.Double(), nullable=False),
        sa.Column("step_s", sa.Double(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_clock_steps")),
    )
    op.create_table(
        "rollups",
        sa.Column("device", sa.Text(), nullable=False),
        sa.Column("hour_unix_s", sa.BigInteger(), nullable=False, autoincrement=False),
        sa.Column("sha256", sa.Text(), nullable=False),
        sa.Column("upto_id", sa.BigInteger(), nullable=False),
        sa.Column("windows", sa.BigInteger(), nullable=False),
        sa.Column("heard_s", sa.Double(), nullable=False),
        sa.Column("outside_s", sa.Double(), nullable=False),
        sa.Column("throttled_s", sa.Double(), nullable=False),
        sa.Column("count", sa.BigInteger(), nullable=False),
        sa.Column("errors", sa.BigInteger(), nullable=False),
        sa.Column("spreads", sa.JSON(), nullable=False),
        sa.Column("joules", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("device", "hour_unix_s", "sha256", name=op.f("pk_rollups")),
    )
    op.create_index(op.f("ix_rollups_hour_unix_s"), "rollups", ["hour_unix_s"])
    op.create_table(
        "rolled_up",
        sa.Column("device", sa.Text(), nullable=False),
        sa.Column("upto_id", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("device", name=op.f("pk_rolled_up")),
    )
    op.execute(_MARKS)
    op.execute(_UPTO)


def downgrade() -> None:
    """What came since is in parts, which earlier releases do not read."""
    op.execute("DELETE FROM meta WHERE key = 'marks_upto'")
    op.drop_table("rolled_up")
    op.drop_table("rollups")
    op.drop_table("clock_steps")
    op.drop_table("marks")
    op.drop_column("windows", "outside")
