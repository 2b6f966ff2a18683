"""Who is connected is known from what is heard, and no row is kept of it; windows say when they were closed, how busy
the host was, and what was asked."""

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None

_SHARES = ("cpu_per_inference_s", "host_busy_share", "pressure_share")
_COUNTS = ("asked", "shed")
_QUEUE = ("queue_mean_ms", "queue_p95_ms")


def upgrade() -> None:
    op.drop_column("devices", "online")
    op.add_column("windows", sa.Column("closed_unix_s", sa.Double()))
    op.add_column("windows", sa.Column("history", sa.Boolean(), nullable=False, server_default=sa.false()))
    for name in (*_SHARES, *_COUNTS, *_QUEUE):
        op.add_column("windows", sa.Column(name, sa.BigInteger() if name in _COUNTS else sa.Double()))


def downgrade() -> None:
    for name in (*_SHARES, *_COUNTS, *_QUEUE):
        op.drop_column("windows", name)
    op.drop_column("windows", "history")
    op.drop_column("windows", "closed_unix_s")
    op.add_column("devices", sa.Column("online", sa.Boolean(), nullable=False, server_default=sa.false()))
