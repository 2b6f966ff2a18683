"""Whatever a device or an operator sends, the controller of all the others goes on."""

from __future__ import annotations

from pathlib import Path

import pytest

from agent.link import Arrived
from agent.wire.messages import Info, Message, Telemetry, Window, encode
from agent.wire.topics import Leaf, topic
from controller import daemon
from controller.core.intents import IntentError, RegisterDevice
from controller.core.policy import Policy
from controller.core.types import DeviceState
from tests.stories.world import World, profile

HUGE = 2**63
RUBBISH: list[tuple[Leaf, Message]] = [
    (
        Leaf.INFO,
        Info(device="new", agent_version="1", architecture="x", runtimes=[], profile="device: new\nlabels: {[a]}"),
    ),
    (Leaf.TELEMETRY, Telemetry(device="bad", boot="b", windows=[Window(seq=HUGE, duration_s=1, count=HUGE)])),
]


@pytest.mark.parametrize(("leaf", "message"), RUBBISH)
def test_a_message_that_nobody_foresaw_is_a_dead_letter(tmp_path: Path, leaf: Leaf, message: Message) -> None:
    world = World(tmp_path, Policy())
    world.ask(RegisterDevice(profile("bad", "")))
    world.daemon.turn([Arrived(topic(message.device, leaf), encode(message))])
    world.ask(RegisterDevice(profile("good", "")))
    assert world.device("good").state is DeviceState.ACCEPTED
    with world.store.read() as tx:
        letters = tx.dead_letters()
    assert [each.topic for each in letters] == [topic(message.device, leaf)]


def test_a_request_that_fails_inside_is_answered_and_the_loop_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = World(tmp_path, Policy())
    with monkeypatch.context() as patched:
        patched.setattr(daemon, "answer", lambda *_: {}["nothing"])
        with pytest.raises(IntentError, match="KeyError: 'nothing'"):
            world.ask(RegisterDevice(profile("good", "")))
    world.ask(RegisterDevice(profile("good", "")))
