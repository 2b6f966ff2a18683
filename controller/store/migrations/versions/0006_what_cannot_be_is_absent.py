"""A figure that cannot be is absent, also a window's length and its counts; how often, and why, is kept of a device."""

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

_ONCE_NEEDED = ("duration_s", "count", "errors")


def _kind(name: str) -> sa.types.TypeEngine[Any]:
    return sa.Double() if name == "duration_s" else sa.BigInteger()


def upgrade() -> None:
    op.add_column("devices", sa.Column("implausible", sa.BigInteger(), nullable=False, server_default="0"))
    op.add_column("devices", sa.Column("implausible_last", sa.Text(), nullable=False, server_default=""))
    with op.batch_alter_table("windows") as windows:
        windows.add_column(sa.Column("implausible", sa.Text(), nullable=False, server_default=""))
        for name in _ONCE_NEEDED:
            windows.alter_column(name, existing_type=_kind(name), nullable=True)


def downgrade() -> None:
    op.execute("DELETE FROM windows WHERE duration_s IS NULL OR count IS NULL OR errors IS NULL")
    with op.batch_alter_table("windows") as windows:
        for name in _ONCE_NEEDED:
            windows.alter_column(name, existing_type=_kind(name), nullable=False)
        windows.drop_column("implausible")
    op.drop_column("devices", "implausible_last")
    op.drop_column("devices", "implausible")
