"""The database cannot be written for a while, or refuses one thing for good: nothing else is lost, and it is told."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from pathlib import Path
from typing import NoReturn

import pytest
from sqlalchemy import Connection, event
from sqlalchemy.exc import DataError, OperationalError

from agent.link import Arrived
from agent.wire.messages import Event, Status, encode
from agent.wire.topics import Leaf, topic
from controller.core.intents import AcceptDevice, IntentError
from controller.core.nouns.device import DeviceState
from controller.core.policy import Policy
from controller.core.presence import Presence
from controller.loop.facts import Asked, Question
from controller.store.events import EventRows
from tests.stories.world import World, profile


def refuses() -> NoReturn:
    raise OperationalError("BEGIN IMMEDIATE", {}, Exception("database is locked"))


@contextmanager
def unwritable(world: World, patch: pytest.MonkeyPatch) -> Iterator[None]:
    with patch.context() as full:
        full.setattr(world.store, "begin", refuses)
        yield
        assert world.daemon.troubles == ["the database cannot be written: database is locked"]


def kinds(world: World, device: str) -> list[str]:
    with world.store.read() as tx:
        return [each.kind for each in tx.events(device)]


def said(device: str, kind: str) -> Arrived:
    event = Event(device=device, boot=f"{device}-1", kind=kind, message="")
    return Arrived(topic(device, Leaf.EVENT), encode(event))


def test_what_arrives_meanwhile_is_kept_and_written_down_later(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    world.add_device(profile("cam"))
    world.run(10)
    with unwritable(world, monkeypatch):
        world.add_device(profile("new"), register=False)
        world.daemon.turn([said("cam", "hot")])
        world.devices["cam"].kill()
        world.run(40)
        assert world.presence("cam") is Presence.ONLINE
    world.run(2)
    assert world.daemon.troubles == []
    assert world.presence("cam") is Presence.OFFLINE, "its goodbye was not acknowledged before it was kept"
    assert world.device("new").state is DeviceState.PENDING
    assert kinds(world, "cam").count("hot") == 1


def test_what_the_broker_sends_again_meanwhile_is_not_kept_twice(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    world.add_device(profile("cam"))
    world.run(2)
    with unwritable(world, monkeypatch):
        device = world.broker.link("mouth")
        device.start(lambda _: None)
        world.run(1)
        hot = said("cam", "hot")
        device.publish(hot.topic, hot.payload)
        world.run(5)
        world.broker.stop()
        world.broker.start()
        world.run(5)
    world.run(5)
    assert kinds(world, "cam").count("hot") == 1


def test_who_asks_for_something_is_told_at_once_and_it_is_not_done_later(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.add_device(profile("cam"), register=False)
    world.run(2)
    with unwritable(world, monkeypatch):
        for _ in range(2):
            future: Future[str] = Future()
            world.daemon.turn([Asked(AcceptDevice("cam"), future)])
            with pytest.raises(IntentError, match="nothing was changed: the database cannot be written") as refusal:
                future.result(0)
            assert refusal.value.status == 503
    world.run(5)
    assert world.device("cam").state is DeviceState.PENDING


def test_who_only_looks_is_answered_meanwhile_and_what_he_gets_wrong_is_his_own(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.add_device(profile("cam"))
    world.run(2)
    with unwritable(world, monkeypatch):
        world.add_device(profile("new"), register=False)
        for _ in range(2):
            world.run(1)
            count, wrong = Future[int](), Future[int]()
            world.daemon.turn(
                [Question(lambda fleet: len(fleet.devices), count), Question(lambda fleet: 1 // 0, wrong)]
            )
            assert count.result(0) == 1
            with pytest.raises(ZeroDivisionError):
                wrong.result(0)


def refuse_messages(patch: pytest.MonkeyPatch, reason: str = "no such kind") -> None:
    """Those of the kind *poison*."""
    add = EventRows.add_event

    def refusing(rows: EventRows, device: str, boot: str, kind: str, message: str, unix_s: float) -> None:
        if kind == "poison":
            raise DataError("INSERT", {}, Exception(reason))
        add(rows, device, boot, kind, message, unix_s)

    patch.setattr(EventRows, "add_event", refusing)


def test_what_the_database_refuses_for_good_is_a_dead_letter_and_stops_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = World(tmp_path, Policy())
    world.add_device(profile("cam"))
    world.run(2)
    refuse_messages(monkeypatch, "out of range")
    status = Status(device="cam", boot="cam-1", online=False)
    facts = [said("cam", "before"), said("cam", "poison"), said("cam", "after")]
    world.daemon.turn([*facts, Arrived(topic("cam", Leaf.STATUS), encode(status))])
    assert sorted(set(kinds(world, "cam")) & {"before", "poison", "after"}) == ["after", "before"]
    assert world.presence("cam") is Presence.OFFLINE
    (letter,) = world.dead_letters()
    assert "out of range" in letter.reason
    assert world.daemon.troubles == []
    world.store.close()


def test_windows_whose_facts_cannot_be_committed_are_there_once_in_the_end(tmp_path: Path) -> None:
    """Telemetry is committed first: while the disk has no room for the facts, it is written anew again and again."""
    world = World(tmp_path, Policy(soak_s=2, retry_s=5, resend_s=5))
    world.add_model()
    device = world.add_device(profile("cam", "deadline: 200 ms"))
    world.roll_out()
    world.until(lambda: len(world.windows("cam")) > 3)
    engine = world.store._opened()

    def full(_connection: Connection) -> NoReturn:
        raise OperationalError("COMMIT", {}, Exception("database or disk is full"))

    before = world.windows("cam")
    event.listen(engine, "commit", full)
    world.run(30)
    assert world.daemon.troubles == ["the database cannot be written: database or disk is full"]
    assert world.windows("cam") == before, "what is not whole does not count"
    assert len(device.durable.windows) > 10, "nor is it acknowledged"
    event.remove(engine, "commit", full)
    world.run(5)
    world.assert_memory_is_what_is_stored()
    seqs = [seq for _, seq in world.windows("cam")]
    assert seqs == list(range(1, device.state.window_seq + 1))[: len(seqs)]
    assert len(seqs) > len(before) + 10
    world.kill_controller()
    world.restart_controller()
    world.run(5)
    seqs = [seq for _, seq in world.windows("cam")]
    assert seqs == list(range(1, len(seqs) + 1))
    world.store.close()
