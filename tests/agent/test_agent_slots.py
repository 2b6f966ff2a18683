from __future__ import annotations

import errno
import os
from pathlib import Path

import msgspec
import pytest
from fleet import artifact, assignment, manifest, manifest_body, sha256
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from agent import slots as slots_module
from agent.record import Outcome, Record, Slot
from agent.slots import Slots, SlotsError
from agent.wire import blocks
from agent.wire.errors import Failure
from agent.wire.messages import Assignment, Result

A, B = artifact(1), artifact(2)
WANTED = assignment(A, 1)
BLOCKS = manifest(A)


@pytest.fixture
def slots(tmp_path: Path) -> Slots:
    return Slots(tmp_path)


def store(slots: Slots, wanted: Assignment, data: bytes, indices: set[int]) -> None:
    for index in indices:
        slots.store(wanted.sha256, index * wanted.block_bytes, blocks.cut(data)[index])


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=30)
@given(st.sets(st.integers(0, BLOCKS.total - 1)))
def test_what_was_stored_is_not_missing_after_a_restart(tmp_path: Path, stored: set[int]) -> None:
    slots = Slots(tmp_path)
    slots.collect(frozenset())
    store(slots, WANTED, A, stored)
    assert Slots(tmp_path).missing(BLOCKS) == set(range(BLOCKS.total)) - stored


def test_a_whole_artifact_gets_its_name_and_a_wrong_one_goes(slots: Slots) -> None:
    everything = set(range(BLOCKS.total))
    store(slots, WANTED, A, everything)
    assert not slots.is_whole(WANTED.sha256)
    assert slots.finish(WANTED)
    assert slots.is_whole(WANTED.sha256)
    other = assignment(B, 2)
    store(slots, other, A, everything)
    assert not slots.finish(other)
    assert slots.missing(manifest(B)) == everything


def test_a_torn_block_is_missing_and_a_rotten_artifact_is_fetched_again(slots: Slots) -> None:
    everything = set(range(BLOCKS.total))
    store(slots, WANTED, A, everything)
    slots.store(WANTED.sha256, blocks.BLOCK_BYTES + 5, b"torn")
    assert slots.missing(BLOCKS) == {1}
    store(slots, WANTED, A, {1})
    slots.finish(WANTED)
    path = slots.path(WANTED.sha256)
    path.write_bytes(path.read_bytes()[:-1])
    assert not slots.is_whole(WANTED.sha256)
    assert slots.missing(BLOCKS) == everything


def test_only_what_a_slot_needs_stays(slots: Slots) -> None:
    everything = set(range(BLOCKS.total))
    store(slots, WANTED, A, everything)
    slots.finish(WANTED)
    store(slots, assignment(B, 2), B, {0})
    for data in (A, B):
        slots.keep_manifest(sha256(manifest_body(data)), manifest_body(data))
    slots.collect(frozenset({WANTED.sha256, WANTED.manifest}))
    assert slots.is_whole(WANTED.sha256)
    assert slots.missing(manifest(B)) == everything
    assert slots.manifest(WANTED.manifest) == manifest_body(A)
    assert slots.manifest(sha256(manifest_body(B))) is None


def test_a_torn_manifest_is_none(slots: Slots, tmp_path: Path) -> None:
    body = manifest_body(A)
    slots.keep_manifest(sha256(body), body)
    (kept,) = tmp_path.glob("artifacts/*.manifest")
    kept.write_bytes(body[:-1])
    assert slots.manifest(sha256(body)) is None
    slots.keep_manifest(sha256(body), body)
    assert slots.manifest(sha256(body)) == body


def test_room_is_what_the_medium_has(tmp_path: Path) -> None:
    assert Slots(tmp_path).shortage_bytes(BLOCKS) == 0
    assert Slots(tmp_path).shortage_bytes(msgspec.structs.replace(BLOCKS, size_bytes=10**18)) > 0


def refuse(number: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """As posix_fallocate of this C library and file system."""

    def fallocate(_descriptor: int, _offset: int, _size: int) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(slots_module.os, "posix_fallocate", fallocate)


def test_where_room_cannot_be_set_aside_it_is_written_behind_what_is_there(
    slots: Slots, monkeypatch: pytest.MonkeyPatch
) -> None:
    refuse(errno.EOPNOTSUPP, monkeypatch)
    store(slots, WANTED, A, {0})
    slots.reserve(BLOCKS)
    assert slots.missing(BLOCKS) == set(range(1, BLOCKS.total))
    assert slots.shortage_bytes(BLOCKS) == 0
    store(slots, WANTED, A, set(range(1, BLOCKS.total)))
    slots.reserve(BLOCKS)
    assert slots.finish(WANTED)


def test_no_room_is_told(slots: Slots, monkeypatch: pytest.MonkeyPatch) -> None:
    refuse(errno.ENOSPC, monkeypatch)
    with pytest.raises(OSError, match="No space left"):
        slots.reserve(BLOCKS)


def test_the_record_comes_back_as_it_was_saved(slots: Slots, tmp_path: Path) -> None:
    assert slots.load() == Record()
    record = Record(
        active=Slot(assignment=WANTED, confirmed=True),
        latest=assignment(B, 2),
        outcome=Outcome(result=Result.REJECTED, failure=Failure.MEMORY, reason="too big"),
        starts=1,
    )
    slots.save(record)
    assert Slots(tmp_path).load() == record
    assert record.needed == {sha256(A), sha256(manifest_body(A))}
    assert record.mark == (1, 2)


def test_a_save_that_fails_leaves_the_old_record(slots: Slots, monkeypatch: pytest.MonkeyPatch) -> None:
    slots.save(Record(starts=1))

    def full(_descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(slots_module.os, "fsync", full)
    with pytest.raises(OSError, match="No space"):
        slots.save(Record(starts=2))
    monkeypatch.undo()
    assert slots.load() == Record(starts=1)


def test_a_damaged_record_is_not_guessed(slots: Slots, tmp_path: Path) -> None:
    (tmp_path / "record.json").write_text("{")
    with pytest.raises(SlotsError, match=r"record\.json.*remove it to begin anew"):
        slots.load()


def test_a_replacement_leaves_nothing_behind(tmp_path: Path) -> None:
    slots_module.replace_atomically(tmp_path / "x", b"1")
    slots_module.replace_atomically(tmp_path / "x", b"2")
    assert os.listdir(tmp_path) == ["x"]
    assert (tmp_path / "x").read_bytes() == b"2"
