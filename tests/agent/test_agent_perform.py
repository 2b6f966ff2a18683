"""Deeds on a medium that refuses: what was promised stays, and is made good once it can be."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import NoReturn

import msgspec
import pytest
from fleet import artifact, assignment, manifest_body, sha256
from powercut import Device

from agent.slots import Slots
from agent.spool import Spool
from agent.step import events

A, B, C = artifact(1, 3000), artifact(2, 3000), artifact(3, 3000)


@pytest.fixture
def device(tmp_path: Path) -> Device:
    """Runs `B`, and has `A` to go back to."""
    made = Device(tmp_path, "first")
    for seq, data in enumerate((A, B), 1):
        made.install(assignment(data, seq), data)
    return made


@pytest.fixture
def whole(tmp_path: Path) -> Callable[[], list[str]]:
    """Those of the three that are on the medium."""
    return lambda: [name for name, data in (("A", A), ("B", B), ("C", C)) if Slots(tmp_path).is_whole(sha256(data))]


def needed(*artifacts: bytes) -> set[str]:
    """With what they are checked by."""
    return {sha256(each) for data in artifacts for each in (data, manifest_body(data))}


def refuse(what: object, *, missing_ok: bool = False) -> None:
    if not missing_ok or Path(str(what)).exists():
        raise OSError(30, "Read-only file system")


def test_nothing_is_deleted_while_the_saved_record_may_name_it(
    tmp_path: Path, device: Device, whole: Callable[[], list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as broken:
        broken.setattr(device.slots, "save", refuse)
        device.install(assignment(C, 3), C)
        assert device.state.record.active is not None
        assert device.state.record.active.sha256 == sha256(C)
        assert Slots(tmp_path).load().needed == needed(A, B)
        assert whole() == ["A", "B", "C"]
    device.tick()
    assert Slots(tmp_path).load().needed == needed(B, C)
    assert whole() == ["B", "C"]
    device.close()


def test_what_cannot_be_deleted_stops_nothing_and_is_deleted_later(
    device: Device, whole: Callable[[], list[str]], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    with monkeypatch.context() as broken:
        broken.setattr(Path, "unlink", refuse)
        device.install(assignment(C, 3), C)
        device.tick()
    assert device.workers.ran[-1] == sha256(C)
    assert whole() == ["A", "B", "C"]
    assert caplog.text.count("event=not_collected") == 1
    device.tick()
    assert whole() == ["B", "C"]
    device.close()


def of_another(tmp_path: Path) -> None:
    """As if the state directory of cam-07 had been copied here."""
    slots = Slots(tmp_path)
    known = slots.load()
    assert known.latest is not None
    assert known.active is not None
    latest = msgspec.structs.replace(known.latest, device="cam-07")
    slots.save(msgspec.structs.replace(known, latest=latest, active=None, previous=None))


def test_of_another_devices_state_only_artifacts_are_kept(
    tmp_path: Path, device: Device, whole: Callable[[], list[str]], caplog: pytest.LogCaptureFixture
) -> None:
    device.acknowledge("first", 1)
    device.close()
    of_another(tmp_path)
    caplog.set_level("INFO", "agent")
    copied = Device(tmp_path, "second")
    assert caplog.text.count("event=state_of_another_device was=cam-07") == 1
    assert len(copied.spool) == 0
    assert whole() == ["A", "B"]
    copied.feed(events.DesiredArrived(now_s=0.0, assignment=assignment(B, 1), wall_unix_s=0.0))
    assert copied.workers.ran == [sha256(B)], "no block of it was fetched, and it was tried"
    copied.close()
    caplog.clear()
    Device(tmp_path, "third").close()
    assert "state_of_another_device" not in caplog.text


def test_windows_of_another_device_are_never_sent_even_where_they_cannot_be_deleted(
    tmp_path: Path, device: Device, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    device.close()
    of_another(tmp_path)

    def broken(_spool: Spool) -> NoReturn:
        raise sqlite3.OperationalError("disk I/O error")

    with monkeypatch.context() as failing:
        failing.setattr(Spool, "forget", broken)
        copied = Device(tmp_path, "second")
        copied.tick()
        assert copied.state.in_flight is None
        assert Slots(tmp_path).load().device == "cam-07", "so that the next start knows of them"
    assert caplog.text.count("event=windows_not_forgotten") == 1
    copied.tick()
    assert len(copied.spool) == 0
    assert Slots(tmp_path).load().device is None
    copied.close()
