"""What a profile's text says is kept beside it: it takes 2 ms to read, and a start reads all of them."""

import sqlalchemy as sa
from alembic import op

from agent.wire.errors import WireError
from agent.wire.profile import accepted_profile
from controller.store.rows import to_row

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None

_devices = sa.table("devices", sa.column("id", sa.Text()), sa.column("profile_text", sa.Text()),
                    sa.column("profile", sa.JSON()))  # fmt: skip


def upgrade() -> None:
    op.add_column("devices", sa.Column("profile", sa.JSON()))
    connection = op.get_bind()
    for device, text in connection.execute(sa.select(_devices.c.id, _devices.c.profile_text)).all():
        try:
            read = to_row(accepted_profile(text))
        except WireError:  # whoever reads the row is told which one it is
            continue
        connection.execute(_devices.update().where(_devices.c.id == device).values(profile=read))


def downgrade() -> None:
    op.drop_column("devices", "profile")
