"""The fleet in memory: what is committed of every device, rollout, model and job, as decisions need it.

It is loaded when the controller starts, and changes only by what a turn has committed. Decisions read it, and never the
database.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import msgspec

from controller.core.catalog import Catalog
from controller.core.history import History, histories
from controller.core.nouns.bulk import Bulk
from controller.core.nouns.desired import Desired
from controller.core.nouns.device import Device
from controller.core.nouns.forgotten import Forgotten
from controller.core.nouns.job import Job
from controller.core.nouns.manifest import Named
from controller.core.nouns.member import Member
from controller.core.nouns.model import Model
from controller.core.nouns.owner import Owner
from controller.core.nouns.placement import Placement
from controller.core.nouns.rollout import Rollout
from controller.core.nouns.variant import Variant
from controller.core.policy import Policy
from controller.loop import ring
from controller.loop.census import Census
from controller.loop.contacts import Contacts
from controller.loop.directory import Directory
from controller.loop.wishes import Wishes
from controller.store.marks import Mark
from controller.store.tx import Tx


@dataclass(slots=True)
class Fleet:
    """`desired` are the newest assignments, without what was signed; `windows` the newest ones of what a device was
    told to run, as `ring` packs them; `marks` say which came, by boot. A placement is named by device and model, a
    variant by model and sha256. `commit` is the number of the newest commit, `members` are those in the rollouts that
    own them, `contacts` what was heard since our link came up or went down."""

    devices: dict[str, Device]
    forgotten: dict[str, Forgotten]
    desired: dict[str, Desired]
    placements: dict[tuple[str, str], Placement]
    histories: dict[str, History]
    windows: dict[str, bytes]
    marks: dict[str, tuple[Mark, ...]]
    rollouts: dict[str, Rollout]
    owners: dict[str, Owner]
    members: dict[str, Member]
    models: dict[str, Model]
    variants: dict[tuple[str, str], Variant]
    jobs: dict[str, Job]
    manifests: dict[str, Named]
    contacts: Contacts
    catalogs: dict[str, Catalog] = field(default_factory=dict)
    bulks: dict[str, Bulk] = field(default_factory=dict)
    wishes: Wishes = field(default_factory=Wishes)
    directory: Directory = field(default_factory=Directory)
    census: Census = field(default_factory=Census)
    commit: int = 0
    sent_unix_s: dict[str, float] = field(default_factory=dict)
    """When a device was last sent its assignment; nobody remembers it over a restart."""

    linked_unix_s: float | None = None
    """Since when the controller's own link is up; None while it is down."""

    seen: dict[str, float] = field(default_factory=dict)
    """When devices were last heard of, in Unix seconds, where that is newer than their row."""


VOLATILE = ("sent_unix_s", "linked_unix_s", "contacts", "seen", "catalogs")
"""What a restart forgets, or finds out anew; and of each device what `lasting` leaves out."""


def load(tx: Tx, policy: Policy) -> Fleet:
    """What the database has, by a few queries whatever the size of the fleet."""
    placements = {(each.device, each.model): each for each in tx.placements()}
    devices, incidents, rollouts, jobs = tx.devices(), tx.incidents(), tx.rollouts(), tx.jobs()
    return Fleet(
        devices={each.id: each for each in devices},
        forgotten={each.device: each for each in tx.forgotten()},
        desired={device: kept(each) for device, each in tx.latest_desired_all().items()},
        placements=placements,
        histories=histories(incidents),
        windows=ring.by_device(tx.newest_windows(policy.windows_seen)),
        marks=tx.marks(),
        rollouts={each.id: each for each in rollouts},
        owners={each.device: each for each in tx.owners()},
        members={each.device: each for each in tx.owned_members()},
        models={each.ref: each for each in tx.models()},
        variants={(each.model, each.sha256): each for each in tx.variants()},
        jobs={each.id: each for each in jobs},
        manifests=tx.manifest_names(),
        contacts=Contacts(policy),
        bulks={each.id: each for each in tx.bulks()},
        wishes=Wishes(placements.values()),
        directory=Directory(devices),
        census=Census(devices, incidents, rollouts, jobs),
        commit=tx.commit_number(),
    )


def lasting(device: Device) -> Device:
    """Without what is not worth a row for each message: how far a download is. When it was last heard of is `seen`."""
    reported = device.reported
    if reported is not None and reported.blocks_have:
        reported = msgspec.structs.replace(reported, blocks_have=0)
    return replace(device, last_seen_unix_s=None, reported=reported)


def kept(desired: Desired) -> Desired:
    """What is kept in memory of an assignment: what was signed is large, and only its device needs it."""
    return replace(desired, envelope=b"")
