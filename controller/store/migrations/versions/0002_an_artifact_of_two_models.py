"""An artifact may be a variant of two models: those of versions with the same weights are byte for byte the same."""

from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    _rekey("sha256", "model")


def downgrade() -> None:
    _rekey("sha256")


def _rekey(*columns: str) -> None:
    with op.batch_alter_table("variants") as batch_op:
        batch_op.drop_constraint(op.f("pk_variants"), type_="primary")
        batch_op.create_primary_key(op.f("pk_variants"), list(columns))
