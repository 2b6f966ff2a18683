"""Seven days without a link: the real decisions, performer and spool under a virtual clock, and then the replay."""

from __future__ import annotations

import sqlite3
import tempfile
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import msgspec
import pytest
from fleet import artifact, assignment
from powercut import Device, Link

from agent.config import SPOOL_LIMIT, WINDOW_S
from agent.perform import BATCH_WINDOWS
from agent.step import events
from agent.wire.messages import Telemetry, decode
from agent.wire.topics import DeviceTopic, Leaf, parse

WEEK = int(7 * 24 * 3600 / WINDOW_S)
REBOOT = 5 * WEEK // 7
MODEL = artifact(1)


class Ether(Link):
    """Keeps the telemetry that is sent until a test takes it."""

    def __init__(self) -> None:
        self.sent: list[Telemetry] = []

    def publish(self, topic: str, payload: bytes, *, retain: bool = False) -> int:
        where = parse(topic)
        if isinstance(where, DeviceTopic) and where.leaf is Leaf.TELEMETRY:
            message = decode(where, payload)
            assert isinstance(message, Telemetry)
            self.sent.append(message)
        return 1

    def take(self) -> Telemetry:
        (only,) = self.sent
        self.sent.clear()
        return only


@pytest.fixture
def state() -> Iterator[Path]:
    """In memory where there is room: 20,160 appends would sync a disk for half a minute, and it is not that we test."""
    memory = Path("/dev/shm")
    with tempfile.TemporaryDirectory(dir=memory if memory.is_dir() else None) as folder:
        yield Path(folder)


def after_a_week(state: Path, ether: Ether, spool_limit: int) -> Device:
    """A device that has served all week without a link, through a reboot on the sixth day."""
    device = Device(state, "first", link=ether, spool_limit=spool_limit)
    device.install(assignment(MODEL, 1), MODEL)
    for number in range(2, REBOOT + 1):
        device.serve_a_window(number * WINDOW_S)
    device.close()
    device = Device(state, "second", link=ether, spool_limit=spool_limit)
    for number in range(REBOOT + 1, WEEK + 1):
        device.serve_a_window(number * WINDOW_S)
    return device


def replay(device: Device, ether: Ether) -> Iterator[Telemetry]:
    """What arrives, batch by batch; the ack of every tenth is lost with the link."""
    device.feed(events.LinkUp(now_s=0.0))
    number = 0
    while len(device.spool):
        number += 1
        kept, batch = len(device.spool), ether.take()
        if number % 10 == 0:
            device.feed(events.LinkDown(now_s=0.0))
            device.feed(events.LinkUp(now_s=0.0))
            again = ether.take()
            assert (again.now_s or 0.0) >= (batch.now_s or 0.0) > 0.0, "its windows are older by now"
            assert msgspec.structs.replace(again, now_s=batch.now_s) == batch
        assert len(device.spool) == kept
        yield batch
        device.acknowledge(batch.boot, batch.windows[-1].seq)
        assert len(device.spool) == kept - len(batch.windows)


@pytest.mark.parametrize(("spool_limit", "lost"), [(SPOOL_LIMIT, 0), (10_000, WEEK - 10_000)])
def test_a_week_of_windows_comes_back_in_order_and_what_was_given_up_is_counted(
    state: Path, spool_limit: int, lost: int
) -> None:
    ether = Ether()
    device = after_a_week(state, ether, spool_limit)
    assert len(device.spool) == WEEK - lost
    batches = list(replay(device, ether))
    assert not ether.sent
    assert max(len(each.windows) for each in batches) == BATCH_WINDOWS
    expected = [("first", seq) for seq in range(1, REBOOT + 1)] + [
        ("second", seq) for seq in range(1, WEEK - REBOOT + 1)
    ]
    assert [(each.boot, window.seq) for each in batches for window in each.windows] == expected[lost:]
    assert {(each.boot, each.dropped) for each in batches} == {("first", lost), ("second", 0)}
    device.close()


@pytest.mark.parametrize(
    ("breaks", "mends"),
    [
        (
            "CREATE TRIGGER broken BEFORE DELETE ON window BEGIN SELECT RAISE(ABORT, 'broken'); END",
            "DROP TRIGGER broken",
        ),
        ("ALTER TABLE window RENAME TO gone", "ALTER TABLE gone RENAME TO window"),
    ],
    ids=["cannot free", "cannot read"],
)
def test_a_spool_that_fails_stops_nothing_and_repeats_nothing(state: Path, breaks: str, mends: str) -> None:
    ether = Ether()
    device = Device(state, "first", link=ether)
    device.install(assignment(MODEL, 1), MODEL)
    device.feed(events.LinkUp(now_s=0.0))
    sent = ether.take()
    with closing(sqlite3.connect(state / "spool.sqlite", isolation_level=None)) as medium:
        medium.execute(breaks)
        device.acknowledge(sent.boot, sent.windows[-1].seq)
        device.serve_a_window()
        assert ether.sent == []
        medium.execute(mends)
    device.tick()
    device.serve_a_window()
    assert ether.take().windows[-1].seq > sent.windows[-1].seq
    device.close()
