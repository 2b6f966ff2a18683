"""Jobs say what kind they are, and a variant what it loses against the dense one on the same data."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    # A default, as a table with rows in it takes no other column that must be set.
    op.add_column("jobs", sa.Column("kind", sa.Text(), nullable=False, server_default="prune"))
    op.add_column("jobs", sa.Column("rungs", sa.Integer(), nullable=True))
    op.add_column("jobs", sa.Column("share", sa.Double(), nullable=True))
    op.add_column("jobs", sa.Column("asked", sa.Boolean(), nullable=False, server_default=sa.false()))
    op.add_column("jobs", sa.Column("report", sa.JSON(none_as_null=True), nullable=True))
    op.add_column("jobs", sa.Column("retry", sa.Boolean(), nullable=False, server_default=sa.true()))
    op.add_column("models", sa.Column("accuracy_margin", sa.Double(), nullable=True))
    op.add_column("variants", sa.Column("drop", sa.Double(), nullable=True))
    op.add_column("variants", sa.Column("drop_low", sa.Double(), nullable=True))
    op.add_column("variants", sa.Column("drop_high", sa.Double(), nullable=True))
    op.add_column("variants", sa.Column("gate_samples", sa.BigInteger(), nullable=True))
    _name_the_dense_jobs()


def _name_the_dense_jobs() -> None:
    """Until now, a job without any cap was the dense variant's."""
    jobs = sa.table("jobs", sa.column("id", sa.Text), sa.column("caps", sa.JSON), sa.column("kind", sa.Text))
    connection = op.get_bind()
    for job, caps in connection.execute(sa.select(jobs.c.id, jobs.c.caps)).all():
        if all(cap is None for cap in caps.values()):
            connection.execute(jobs.update().where(jobs.c.id == job).values(kind="dense"))


def downgrade() -> None:
    for name in ("gate_samples", "drop_high", "drop_low", "drop"):
        op.drop_column("variants", name)
    op.drop_column("models", "accuracy_margin")
    for name in ("retry", "report", "asked", "share", "rungs", "kind"):
        op.drop_column("jobs", name)
