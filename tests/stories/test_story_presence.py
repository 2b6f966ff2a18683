"""Who is there, as the controller says it: never on the word of a broker's memory alone."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from agent.link import Arrived
from agent.wire.messages import Phase, Reported, Status, encode
from agent.wire.topics import Leaf, topic
from controller.core.intents import ForgetDevice
from controller.core.nouns.rollout import RolloutState
from controller.core.policy import Policy
from controller.core.presence import Presence
from controller.store.devices import DeviceRows
from controller.web.device_views import device_view
from controller.web.facts import facts_of
from tests.stories.world import World, profile

POLICY = Policy(soak_s=2, retry_s=5, resend_s=5)
ON_MAINS = ("deadline: 200 ms",)
ON_BATTERY = ("deadline: 200 ms", "power: {idle: 1 W, busy: 3 W}", "battery: {capacity: 40 Wh, lifetime: 10 h}")


def serving(tmp_path: Path, *lines: str, **body: Any) -> World:
    """One device that runs the model and sends windows."""
    world = World(tmp_path, POLICY)
    world.add_model()
    world.add_device(profile("cam", *lines), **body)
    rollout = world.roll_out()
    world.until(lambda: world.rollout(rollout).state is not RolloutState.RUNNING)
    assert world.rollout(rollout).state is RolloutState.FINISHED
    world.run(3)
    return world


def shown(world: World) -> tuple[str, bool | None]:
    with world.store.read() as tx:
        row = device_view(facts_of(tx, world.device("cam"), world.presence("cam")))
    return row["presence"], row["within_budget"]


def test_a_device_that_died_with_its_broker_is_not_shown_as_there(tmp_path: Path) -> None:
    """The broker comes back with all that it remembered, `online` among it; nobody spoke the last will."""
    world = serving(tmp_path, *ON_MAINS)
    assert shown(world) == ("online", True)
    world.broker.stop()
    assert shown(world) == ("online", True)
    world.run(1)
    assert shown(world) == ("unknown", None)
    world.devices["cam"].kill()
    world.broker.start()
    world.run(5)
    assert b'"online":true' in world.broker.retained[topic("cam", Leaf.STATUS)]
    assert shown(world) == ("unknown", None)
    world.devices["cam"].restart(world.now_s)
    world.run(2)
    assert world.presence("cam") is Presence.ONLINE
    world.store.close()


def test_while_the_controllers_own_link_is_down_nobody_is_known_to_be_there(tmp_path: Path) -> None:
    world = serving(tmp_path, *ON_MAINS)
    world.broker._disconnect(world.link, "cut")  # type: ignore[attr-defined]
    world.run(1)
    assert world.daemon.troubles == ["the broker is not reached: cut"]
    assert world.presence("cam") is Presence.UNKNOWN
    assert world.devices["cam"].state.link_up
    world.run(5)
    world.broker._connect(world.link)  # type: ignore[attr-defined]
    world.broker.pump()
    world.daemon.turn([fact for fact in world._facts if not isinstance(fact, Arrived)])
    world._facts[:] = [fact for fact in world._facts if isinstance(fact, Arrived)]
    assert world.presence("cam") is Presence.UNKNOWN
    world.run(15)
    assert (world.presence("cam"), world.daemon.troubles) == (Presence.ONLINE, [])
    world.store.close()


def test_a_battery_device_that_holds_windows_back_is_not_quiet(tmp_path: Path) -> None:
    world = serving(tmp_path, *ON_BATTERY, battery_percent=15.0)
    world.run(620, step_s=1.0)  # a variant fresh in service sends each window
    before = len(world.windows("cam"))
    longest = 0.0
    while len(world.windows("cam")) == before and longest < 1000:
        world.run(2, step_s=1.0)
        longest += 2.0
        assert world.presence("cam") is Presence.ONLINE
    assert longest > 840, "it held them back for more than 14 minutes"
    world.store.close()


def test_a_silent_device_is_quiet_and_offline_once_its_last_will_comes(tmp_path: Path) -> None:
    world = serving(tmp_path, *ON_MAINS)
    device = world.devices["cam"]
    device.alive = False  # it hangs, and so far nobody has noticed
    world.run(19)
    assert world.presence("cam") is Presence.ONLINE
    world.run(5)
    assert shown(world) == ("quiet", None)
    device._link.drop()
    world.run(1)
    assert shown(world) == ("offline", None)
    world.store.close()


def test_a_device_that_serves_nothing_stays_there(world: World) -> None:
    world.add_device(profile("cam"))
    for _ in range(100):
        world.run(20, step_s=2.0)
        assert world.presence("cam") is Presence.ONLINE


def test_of_a_forgotten_device_nothing_is_known(world: World) -> None:
    world.add_device(profile("cam"))
    world.run(2)
    world.devices["cam"].kill()
    world.run(2)
    assert world.presence("cam") is Presence.OFFLINE
    world.ask(ForgetDevice("cam"))
    world.run(2)
    assert world.presence("cam") is Presence.UNKNOWN
    assert [world.daemon.figures[f"devices_{each}"] for each in Presence] == [0, 0, 0, 0]


def test_what_each_message_changes_is_no_row(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """That it was heard, that it is there, and how far its download is."""
    world.add_device(profile("cam"))
    world.run(5)
    rewritten = list[str]()
    put = DeviceRows.put_devices

    def counted(rows: DeviceRows, changed: Any) -> None:
        rewritten.extend(each.id for each in changed)
        put(rows, changed)

    monkeypatch.setattr(DeviceRows, "put_devices", counted)
    for have in range(1, 20):
        said = Reported(
            device="cam", boot="cam-1", seq=0, sha256=None, phase=Phase.DOWNLOADING, blocks_have=have, blocks_total=20
        )
        status = Status(device="cam", boot="cam-1", online=True, window_s=2.0, hold_s=0.0)
        world.daemon.turn(
            [Arrived(topic("cam", Leaf.REPORTED), encode(said)), Arrived(topic("cam", Leaf.STATUS), encode(status))]
        )
        world.run(1)
        reported = world.daemon._fleet.devices["cam"].reported
        assert reported is not None
        assert reported.blocks_have == have
    assert rewritten == ["cam"], "once, as its download began"
    world.assert_memory_is_what_is_stored()
