"""Deeds on a medium that refuses: what was promised stays, and is made good once it can be."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from fleet import artifact, assignment, sha256
from powercut import Device

from agent.slots import Slots

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
        assert Slots(tmp_path).load().needed == {sha256(A), sha256(B)}
        assert whole() == ["A", "B", "C"]
    device.tick()
    assert Slots(tmp_path).load().needed == {sha256(B), sha256(C)}
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
