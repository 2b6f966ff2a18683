"""Whatever a device or an operator sends, the controller of all the others goes on."""

from __future__ import annotations

from pathlib import Path

import pytest

from agent.link import Arrived
from agent.wire.messages import Info, Message, Telemetry, Window, encode
from agent.wire.topics import Leaf, topic
from controller.core.intents import AddModel, IntentError, RegisterDevice
from controller.core.nouns.device import DeviceState
from controller.core.policy import Policy
from controller.loop import take
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
        patched.setattr(take, "answer", lambda *_: {}["nothing"])
        with pytest.raises(IntentError, match="KeyError: 'nothing'"):
            world.ask(RegisterDevice(profile("good", "")))
    world.ask(RegisterDevice(profile("good", "")))


def test_a_spec_that_names_what_cannot_be_read_is_the_operators_mistake_and_not_ours(tmp_path: Path) -> None:
    world = World(tmp_path, Policy())
    (tmp_path / "net.py").write_text("def build(): ...\n")
    spec = tmp_path / "model.yaml"
    spec.write_text(
        f"name: m\nversion: '1'\nfactory: net.py:build\nweights: {'x' * 300}.pt\ninput: {{shape: [1, 3]}}\n"
    )
    for path, words in ((spec, r"model\.yaml:4: weights: .*File name too long"), (tmp_path / ("x" * 300), "too long")):
        with pytest.raises(IntentError, match=words) as refused:
            world.ask(AddModel(str(path)))
        assert refused.value.status == 400
