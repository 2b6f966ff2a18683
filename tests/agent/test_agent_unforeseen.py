"""What no controller sends, and what no medium should do: the daemon goes on."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest
from fleet import artifact, sha256
from inprocess import running
from media import fill, remount, small_medium

from agent import daemon as shell
from agent.daemon import AlreadyRunning, hold
from agent.link import Arrived
from agent.step import events
from agent.wire.topics import BlobTopic, Leaf, topic

ACK = topic("dev-1", Leaf.ACK)
BLOB = f"hedgerow/v1/_blob/{sha256(artifact(1))}"


@pytest.mark.parametrize(
    ("where", "payload"),
    [
        (ACK, b'{"device": "dev-1", "boot": "b", "seq": %d}' % 2**63),
        (ACK, b'{"device": "dev-1", "boot": "b", "seq": -1}'),
        (ACK, b'{"device": "dev-1", "boot": "\\u0000", "seq": 1}'),
        (f"{BLOB}/{'9' * 5000}", b""),
        (f"{BLOB}/{'9' * 10}", b""),
        (f"{BLOB}/1\n", b""),
    ],
)
def test_a_message_that_no_controller_sends_ends_nothing(
    tmp_path: Path, where: str, payload: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    with running(tmp_path) as broker:
        broker.send(Arrived(where, payload))
        assert broker.is_answered()
    assert "unforeseen" not in caplog.text


def test_what_nobody_foresaw_is_passed_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def step(state: shell.State, event: events.Event) -> object:
        if isinstance(event, events.BlockArrived):
            raise RuntimeError("a bug")
        return true_step(state, event)

    true_step = shell.step
    monkeypatch.setattr(shell, "step", step)
    with caplog.at_level(logging.ERROR), running(tmp_path) as broker:
        broker.send(Arrived(str(BlobTopic(sha256(artifact(1)), 0)), b""))
        assert broker.is_answered()
    assert "event=unforeseen news=Arrived" in caplog.text
    assert "a bug" in caplog.text


@pytest.mark.parametrize("booted", [False, True], ids=["first boot", "again"])
def test_an_agent_begins_on_a_full_medium(tmp_path: Path, booted: bool) -> None:
    with small_medium(tmp_path / "state", "256k") as state:
        if booted:
            with running(state):
                pass
        fill(state)
        with running(state) as broker:
            assert broker.is_answered()
        assert not list(state.glob("damaged-*"))


def test_an_agent_begins_on_a_medium_that_may_only_be_read(tmp_path: Path) -> None:
    with small_medium(tmp_path / "state") as state:
        with running(state):
            pass
        remount(state, "ro")
        with running(state, socket=tmp_path / "door") as broker:
            assert broker.is_answered()
            with pytest.raises(AlreadyRunning):
                hold(state)
