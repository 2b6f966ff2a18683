"""What a decision sees: the stored facts of some devices, gathered once, and nothing that can change under it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from controller.core.catalog import Catalog
from controller.core.nouns.desired import Desired
from controller.core.nouns.device import Device
from controller.core.nouns.incident import Incident
from controller.core.nouns.member import Member
from controller.core.nouns.placement import Placement
from controller.core.nouns.rollout import Rollout
from controller.core.nouns.variant import Variant
from controller.core.nouns.window import StoredWindow
from controller.core.presence import Presence


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceView:
    """One device with everything that bears on it.

    `owner` is the rollout that owns it, whatever became of that, and `member` what is stored of the device in it.
    `rollout` is the same while it holds the device (`core/membership.py`), `admitted` whether its wave lets that go.
    `catalog` and `placement` are of the rollout's model, or, where none holds it, of the model of what it runs.
    `variant` is the one that `desired` names, be it of another model than the rollout's, and `windows` are the newest
    ones of it, oldest first. `linked_unix_s` is since when the controller's own link is up, None while it is down.
    `past_incidents` are closed. `fitted`: these very facts were fitted before, and
    nothing came of it; so nothing does now.
    """

    device: Device
    presence: Presence = Presence.UNKNOWN
    linked_unix_s: float | None = 0.0
    owner: Rollout | None = None
    member: Member | None = None
    rollout: Rollout | None = None
    admitted: bool = False
    catalog: Catalog | None = None
    placement: Placement | None = None
    desired: Desired | None = None
    sent_unix_s: float | None = None
    variant: Variant | None = None
    windows: Sequence[StoredWindow] = ()
    incident: Incident | None = None
    past_incidents: Sequence[Incident] = ()
    fitted: bool = False
