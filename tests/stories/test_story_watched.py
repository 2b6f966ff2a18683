"""Who reads a page and follows the events from its commit on knows what pages say now, whatever happened in between."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import msgspec
import pytest

from controller.bootstrap import Port
from controller.core.intents import AcceptDevice, AskBulk, ForgetDevice, RecalibrateDevice, RevokeDevice
from controller.core.nouns.bulk import BulkKind
from controller.core.policy import Policy
from controller.store import Tx
from controller.web.device_views import device_view
from controller.web.facts import facts_among
from controller.web.feed import Feed
from controller.web.job_views import job_view
from controller.web.views import bulk_view, incident_view, rollout_view
from tests.stories.world import World, profile

Rows = dict[str, dict[str, Any]]


def shown(world: World, tx: Tx) -> Rows:
    """All rows of all pages, by kind and id, as JSON has them."""
    devices = facts_among(tx, [each.id for each in tx.devices()], world.presence)
    rows = {
        "devices": {name: device_view(each) for name, each in devices.items()},
        "incidents": {each.id: incident_view(each) for each in tx.incidents()},
        "rollouts": {each.id: rollout_view(each) for each in tx.rollouts()},
        "jobs": {each.id: job_view(each) for each in tx.jobs()},
        "bulks": {each.id: bulk_view(each) for each in tx.bulks()},
    }
    decoded: Rows = json.loads(msgspec.json.encode(rows))
    return decoded


class Follower:
    """A page that stays open: it knows rows, and the commit that they are of."""

    def __init__(self, world: World) -> None:
        self._world, self.resets = world, 0
        self.read_anew()

    def read_anew(self) -> None:
        self.commit = self._world.daemon.changes.last
        with self._world.store.read() as tx:
            self.rows = shown(self._world, tx)

    def look(self) -> None:
        """Until nothing is new."""
        world = self._world
        port = Port(world.store, world.artifacts, world.daemon, world.clock, [])
        counts = b""
        while (event := Feed(port).after(self.commit, counts)) is not None:
            if event.kind == "reset":
                self.resets += 1
                self.read_anew()
                return
            self._take(json.loads(event.data))
            self.commit, counts = event.commit, event.counts

    def _take(self, data: Any) -> None:
        for kind, rows in self.rows.items():
            rows.update({each["id"]: each for each in data.get(kind, [])})
            for name in data.get("gone", {}).get(kind, []):
                rows.pop(name, None)


@pytest.mark.parametrize("seed", range(3))
def test_a_page_with_its_events_is_what_a_page_is_now(tmp_path: Path, seed: int) -> None:
    dice = random.Random(seed)
    world = World(tmp_path, Policy(soak_s=6, retry_s=5, cooldown_s=30))
    world.add_model()
    for at in range(6):
        world.add_device(profile(f"cam-{at}", f"deadline: {4 + at} ms"), register=at % 2 == 0)
    world.run(2)
    follower = Follower(world)
    deeds = [
        lambda: world.ask(AskBulk(BulkKind.ACCEPT, f"t{world.now_s}", "")),
        lambda: world.ask(RecalibrateDevice("cam-0")),
        lambda: world.ask(RevokeDevice("cam-2")),
        lambda: world.ask(AcceptDevice("cam-2")),
        lambda: world.ask(ForgetDevice("cam-5")) if "cam-5" in world.daemon._fleet.devices else None,
        world.roll_out,
        world.devices["cam-1"].kill,
    ]
    world.roll_out()
    for _ in range(12):
        dice.choice(deeds)()
        world.run(dice.choice([0.5, 2, 7]))
        if dice.random() < 0.6:
            follower.look()
        if dice.random() < 0.1:
            world.kill_controller()
            world.restart_controller()
    world.run(30)
    follower.look()
    with world.store.read() as tx:
        now = shown(world, tx)
    told = follower.rows
    for kind, rows in now.items():
        assert told[kind].keys() == rows.keys(), kind
        for name, row in rows.items():
            late = {"last_seen_unix_s", "window_received_unix_s"}
            differing = {key for key in row if key not in late and row[key] != told[kind][name][key]}
            assert not differing or _is_measured(differing), (kind, name, differing)


def _is_measured(differing: set[str]) -> bool:
    """Windows of the last two seconds are told a little later."""
    return all(each.startswith(("latency_p", "count", "temperature", "power", "battery", "rss", "ram_peak", "within",
                                "errors", "throttled")) for each in differing)  # fmt: skip
