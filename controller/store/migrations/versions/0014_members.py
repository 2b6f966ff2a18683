"""Which rollout owns each device, and where it stands there, is stored: until now it was derived at each look.

A device is owned as it was by then: by the newest rollout, running or finished, that matches it. Where it stands is
written down when the controller has looked at it; whoever was assigned something in its rollout had been let go.
"""

from collections.abc import Iterator
from typing import Any

import sqlalchemy as sa
from alembic import op

from agent.wire.errors import WireError
from controller.core.selector import parse_selector

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None

_AT_ONCE = 1000

_DEVICES = "SELECT id, device_class, labels FROM devices WHERE state = 'accepted' ORDER BY id"
_ROLLOUTS = "SELECT id, selector, wave, started_unix_s FROM rollouts WHERE state IN ('running', 'finished')"
_ASSIGNED = "SELECT device, rollout FROM desired ORDER BY device, epoch, seq"


def upgrade() -> None:
    owners = op.create_table(
        "owners",
        sa.Column("device", sa.Text(), nullable=False),
        sa.Column("rollout", sa.Text(), nullable=False),
        sa.Column("before", sa.Text()),
        sa.Column("since_unix_s", sa.Double(), nullable=False),
        sa.ForeignKeyConstraint(["device"], ["devices.id"], name="fk_owners_device_devices"),
        sa.ForeignKeyConstraint(["rollout"], ["rollouts.id"], name="fk_owners_rollout_rollouts"),
        sa.PrimaryKeyConstraint("device", name="pk_owners"),
    )
    members = op.create_table(
        "members",
        sa.Column("rollout", sa.Text(), nullable=False),
        sa.Column("device", sa.Text(), nullable=False),
        sa.Column("standing", sa.Text(), nullable=False),
        sa.Column("wave", sa.Integer()),
        sa.Column("since_unix_s", sa.Double(), nullable=False),
        sa.Column("due_unix_s", sa.Double()),
        sa.Column("attempt", sa.Integer(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["device"], ["devices.id"], name="fk_members_device_devices"),
        sa.ForeignKeyConstraint(["rollout"], ["rollouts.id"], name="fk_members_rollout_rollouts"),
        sa.PrimaryKeyConstraint("rollout", "device", name="pk_members"),
    )
    op.create_index("ix_members_device", "members", ["device"])
    found = list(_memberships(op.get_bind()))
    for at in range(0, len(found), _AT_ONCE):
        op.bulk_insert(owners, [owner for owner, _ in found[at : at + _AT_ONCE]])
        op.bulk_insert(members, [member for _, member in found[at : at + _AT_ONCE]])


def downgrade() -> None:
    op.drop_table("members")
    op.drop_table("owners")


def _memberships(connection: sa.Connection) -> Iterator[tuple[dict[str, Any], dict[str, Any]]]:
    rollouts = [(row, _requirements(row.selector)) for row in connection.execute(sa.text(_ROLLOUTS)).all()]
    newest_first = sorted(rollouts, key=lambda each: int(each[0].id.removeprefix("r")), reverse=True)
    assigned = {row.device: row.rollout for row in connection.execute(sa.text(_ASSIGNED))}
    devices = sa.text(_DEVICES).columns(labels=sa.JSON())
    for device in connection.execute(devices).all() if rollouts else []:
        has = {**(device.labels or {}), "id": device.id, "class": device.device_class}
        for rollout, requirements in newest_first:
            if requirements is not None and all(has.get(key) == value for key, value in requirements):
                yield _rows(device.id, rollout, assigned.get(device.id))
                break


def _requirements(selector: str) -> tuple[tuple[str, str], ...] | None:
    try:
        return parse_selector(selector).requirements
    except WireError:  # whoever reads the row is told which one it is
        return None


def _rows(device: str, rollout: Any, assigned: str | None) -> tuple[dict[str, Any], dict[str, Any]]:
    since = rollout.started_unix_s
    owner = {"device": device, "rollout": rollout.id, "before": None, "since_unix_s": since}
    wave = rollout.wave if assigned == rollout.id else None
    stands = {
        "standing": "unplaced",
        "wave": wave,
        "since_unix_s": since,
        "due_unix_s": None,
        "attempt": 0,
        "reason": "",
    }
    return owner, {"rollout": rollout.id, "device": device, **stands}
