"""What devices check artifacts by, kept once an artifact; and what their agents speak, who spoke wire 1 all."""

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "manifests",
        sa.Column("digest", sa.Text(), nullable=False),
        sa.Column("sha256", sa.Text(), nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("digest", name="pk_manifests"),
    )
    op.create_index("ix_manifests_sha256", "manifests", ["sha256"])
    op.add_column("desired", sa.Column("manifest", sa.Text()))
    op.add_column("devices", sa.Column("wire", sa.BigInteger()))
    op.execute("UPDATE devices SET wire = 1 WHERE agent_version IS NOT NULL")


def downgrade() -> None:
    op.drop_column("devices", "wire")
    op.drop_column("desired", "manifest")
    op.drop_table("manifests")
