"""The manifest of an artifact on the device: late, garbled, torn, refused, lost; and what an update finds there."""

from __future__ import annotations

import json
from pathlib import Path

import msgspec
import pytest
from fleet import KEY, PROFILE, Hand, artifact, assignment, assignment_of_0_1, manifest, manifest_body, sha256
from powercut import Device

from agent.record import Record
from agent.simulate.device import SimDevice
from agent.simulate.memory import MemoryBroker
from agent.slots import Slots
from agent.step import Setup, State, effects, events, step
from agent.step.state import Turn
from agent.wire import blocks
from agent.wire.errors import Failure
from agent.wire.manifest import Golden, encode_manifest, make_manifest
from agent.wire.messages import WIRE, Event, Need, Reported, Result, encode
from agent.wire.signing import sign
from agent.wire.topics import BlobTopic, Leaf, topic

A, B = artifact(1), artifact(2)
BODY = manifest_body(A)
LONG = encode_manifest(make_manifest(A, Golden(outputs=[[0.5] * 10_000])))
"""Of two blocks."""
LONG_WANTED = assignment(A, 1, manifest=sha256(LONG), manifest_bytes=len(LONG))
SETUP = Setup(device="dev-1", boot="b", agent_version="0", architecture="x", runtimes=("onnxruntime",), profile="")


def fetching(wanted: object) -> State:
    """The manifest is being asked for."""
    state = State(setup=SETUP, link_up=True)
    state = step(state, events.DesiredArrived(now_s=0.0, assignment=wanted, wall_unix_s=0.0)).state  # type: ignore[arg-type]
    digest = state.record.pending.manifest if state.record.pending else ""
    return step(state, events.ManifestFound(now_s=0.0, sha256=digest, body=None)).state


def arrives(state: State, body: bytes, index: int, data: bytes, now_s: float = 1.0) -> Turn:
    return step(state, events.BlockArrived(now_s=now_s, sha256=sha256(body), block=index, data=data))


def needs(turn: Turn) -> list[tuple[str, list[int]]]:
    """What is asked for, and which blocks of it."""
    said = [each.message for each in turn.effects if isinstance(each, effects.Publish)]
    return [(each.sha256, blocks.unpack(each.missing, 2)) for each in said if isinstance(each, Need)]


def kinds(turn: Turn) -> list[type]:
    return [type(each) for each in turn.effects]


# --- on its way ------------------------------------------------------------------------------------------------------


def test_a_manifest_is_held_until_all_its_blocks_are_there_in_whatever_order() -> None:
    first, second = blocks.cut(LONG)
    state = arrives(fetching(LONG_WANTED), LONG, 1, second).state
    again = arrives(state, LONG, 1, b"a duplicate, garbled")
    assert again == Turn(state), "the first one counts"
    whole = arrives(state, LONG, 0, first)
    assert effects.KeepManifest(sha256(LONG), LONG) in whole.effects
    kept = step(whole.state, events.ManifestFound(now_s=1.0, sha256=sha256(LONG), body=LONG))
    assert kept.effects[0] == effects.Prepare(make_manifest(A, Golden(outputs=[[0.5] * 10_000])))
    assert arrives(kept.state, LONG, 1, second) == Turn(kept.state), "late"


def test_where_a_block_is_garbled_all_of_it_is_asked_for_again_less_and_less_often() -> None:
    first, second = blocks.cut(LONG)
    state, asked, now_s = fetching(LONG_WANTED), list[float](), 0.0
    while now_s < 100:
        now_s += 0.5
        turn = step(state, events.Tick(now_s=now_s))
        state = turn.state
        if needs(turn):
            assert needs(turn) == [(sha256(LONG), [0, 1])]
            asked.append(now_s)
            state = arrives(state, LONG, 0, first, now_s).state
            garbled = arrives(state, LONG, 1, second[::-1], now_s)
            assert effects.KeepManifest not in kinds(garbled)
            state = garbled.state
    assert len(asked) <= 6
    state = arrives(arrives(state, LONG, 0, first).state, LONG, 1, second).state
    assert state.download is None


def test_a_block_that_is_too_long_is_none() -> None:
    turn = arrives(fetching(LONG_WANTED), LONG, 0, bytes(blocks.BLOCK_BYTES + 1))
    assert kinds(turn) == [effects.Note]
    assert turn.state.download is not None
    assert turn.state.download.missing == {0, 1}


def test_what_is_lost_on_the_way_is_asked_for_with_the_next_link_too() -> None:
    state = step(fetching(LONG_WANTED), events.LinkDown(now_s=1.0)).state
    assert not needs(step(state, events.Tick(now_s=99.0)))
    assert needs(step(state, events.LinkUp(now_s=100.0))) == [(sha256(LONG), [0, 1])]


@pytest.mark.parametrize("body", [b"no manifest", manifest_body(B)])
def test_a_signed_digest_of_what_is_no_manifest_of_it_is_a_refusal(body: bytes) -> None:
    wanted = assignment(A, 1, manifest=sha256(body), manifest_bytes=len(body))
    state = arrives(fetching(wanted), body, 0, body).state
    turn = step(state, events.ManifestFound(now_s=1.0, sha256=sha256(body), body=body))
    outcome = turn.state.record.outcome
    assert outcome is not None
    assert (outcome.result, outcome.failure) == (Result.REJECTED, Failure.BAD_DIGEST)
    assert effects.Prepare not in kinds(turn)


def test_a_newer_assignment_leaves_the_manifest_of_the_older() -> None:
    state = arrives(fetching(LONG_WANTED), LONG, 0, blocks.cut(LONG)[0]).state
    turn = step(state, events.DesiredArrived(now_s=2.0, assignment=assignment(B, 2), wall_unix_s=0.0))
    assert (turn.state.download, turn.state.manifest) == (None, None)
    assert effects.Unsubscribe in kinds(turn)
    late = arrives(turn.state, LONG, 1, blocks.cut(LONG)[1])
    assert kinds(late) == [effects.Unsubscribe]


# --- on the medium ---------------------------------------------------------------------------------------------------


def begun(tmp_path: Path) -> Device:
    """Has the manifest and block 1 of `A`."""
    device = Device(tmp_path, "first")
    device.feed(events.DesiredArrived(now_s=0.0, assignment=assignment(A, 1), wall_unix_s=0.0))
    device.feed(events.BlockArrived(now_s=0.0, sha256=sha256(BODY), block=0, data=BODY))
    device.feed(events.BlockArrived(now_s=0.0, sha256=sha256(A), block=1, data=blocks.cut(A)[1]))
    device.close()
    return device


def finish(device: Device, data: bytes) -> None:
    for index, block in enumerate(blocks.cut(data)):
        device.feed(events.BlockArrived(now_s=0.0, sha256=sha256(data), block=index, data=block))


def test_a_half_done_download_survives_a_restart(tmp_path: Path) -> None:
    begun(tmp_path)
    again = Device(tmp_path, "second")
    assert again.state.download is not None
    assert (again.state.download.sha256, again.state.download.missing) == (sha256(A), {0, 2, 3})
    finish(again, A)
    assert again.workers.ran == [sha256(A)]
    again.close()


def test_a_manifest_that_a_cut_tore_is_fetched_again_and_the_blocks_are_not(tmp_path: Path) -> None:
    begun(tmp_path)
    (kept,) = tmp_path.glob("artifacts/*.manifest")
    kept.write_bytes(BODY[:50])
    again = Device(tmp_path, "second")
    assert again.state.download is not None
    assert again.state.download.sha256 == sha256(BODY)
    again.feed(events.BlockArrived(now_s=0.0, sha256=sha256(BODY), block=0, data=BODY))
    assert again.state.download.missing == {0, 2, 3}
    finish(again, A)
    assert again.workers.ran == [sha256(A)]
    again.close()


def test_a_medium_that_cannot_keep_it_changes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    device = Device(tmp_path, "first")
    device.install(assignment(B, 1), B)

    def full(_slots: Slots, _sha256: str, _body: bytes) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Slots, "keep_manifest", full)
    device.install(assignment(A, 2), A)
    outcome = device.state.record.outcome
    assert outcome is not None
    assert (outcome.result, outcome.failure) == (Result.FAILED_NO_CHANGE, Failure.NO_SPACE)
    assert device.workers.ran == [sha256(B)]
    device.close()


def test_what_was_accepted_runs_on_where_its_manifest_rots(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    device = Device(tmp_path, "first")
    device.install(assignment(A, 1), A)
    device.close()
    for kept in tmp_path.glob("artifacts/*.manifest"):
        kept.unlink()
    again = Device(tmp_path, "second")
    assert again.workers.ran == [sha256(A)]
    assert caplog.text.count("event=manifest_gone") == 1
    again.close()

    def rotten(_slots: Slots, _sha256: str) -> bytes | None:
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(Slots, "manifest", rotten)
    once_more = Device(tmp_path, "third")
    assert once_more.workers.ran == [sha256(A)]
    once_more.close()


# --- an update -------------------------------------------------------------------------------------------------------


def of_0_1(tmp_path: Path, **fields: object) -> None:
    """What release 0.1 left: an assignment under way that has its block digests in itself, and block 1 of it."""
    old = json.loads(encode(assignment_of_0_1(A, 1))) | {"golden_outputs": [[1.0]], "expires_unix_s": None, **fields}
    slots = Slots(tmp_path)
    slots.store(sha256(A), blocks.BLOCK_BYTES, blocks.cut(A)[1])
    (tmp_path / "record.json").write_text(json.dumps({"latest": old, "active": None, "outcome": None, "starts": 0}))


def test_a_download_that_release_0_1_began_is_finished(tmp_path: Path) -> None:
    of_0_1(tmp_path)
    device = Device(tmp_path, "updated")
    assert device.state.download is not None
    assert device.state.download.missing == {0, 2, 3}
    finish(device, A)
    device.serve_a_window()
    record = device.slots.load()
    assert record.active is not None
    assert record.active.confirmed
    assert (record.active.assignment.golden_outputs, record.active.assignment.blocks) == ([[1.0]], [])
    device.close()


def test_or_begun_anew_by_the_next_assignment_with_the_blocks_that_are_there(tmp_path: Path) -> None:
    of_0_1(tmp_path)
    device = Device(tmp_path, "updated")
    device.feed(events.DesiredArrived(now_s=0.0, assignment=assignment(A, 2), wall_unix_s=0.0))
    device.feed(events.BlockArrived(now_s=0.0, sha256=sha256(BODY), block=0, data=BODY))
    assert device.state.download is not None
    assert device.state.download.missing == {0, 2, 3}
    finish(device, A)
    assert device.state.record.mark == (1, 2)
    assert device.workers.ran == [sha256(A)]
    device.close()


def test_one_whose_digests_are_none_is_refused_and_ends_nothing(tmp_path: Path) -> None:
    of_0_1(tmp_path, blocks=["no digest"] * 4)
    device = Device(tmp_path, "updated")
    assert device.state.record.outcome is not None
    assert device.state.record.outcome.failure is Failure.BAD_DIGEST
    device.install(assignment(B, 2), B)
    assert device.workers.ran == [sha256(B)]
    device.close()


def test_what_runs_of_wire_1_is_adopted_and_keeps_the_answers_that_it_is_held_to(tmp_path: Path) -> None:
    of_0_1(tmp_path)
    device = Device(tmp_path, "updated")
    finish(device, A)
    device.feed(events.DesiredArrived(now_s=0.0, assignment=assignment(A, 2, latency_p95_ms=7.0), wall_unix_s=0.0))
    active = device.state.record.active
    assert active is not None
    assert device.workers.ran == [sha256(A)], "without another trial"
    assert (active.assignment.seq, active.assignment.latency_p95_ms) == (2, 7.0)
    assert (active.assignment.manifest, active.assignment.golden_outputs) == ("", [[1.0]])
    assert device.state.record.latest == assignment(A, 2, latency_p95_ms=7.0), "so that a repeat is known as one"
    device.close()


class Alone:
    """A simulated device and the least controller."""

    def __init__(self, record: Record | None = None) -> None:
        self.broker, self.now_s = MemoryBroker(), 0.0
        self.hand = Hand(self.broker)
        self.hand.add(A, B)
        costs = {sha256(each): (2**20, 0.01) for each in (A, B)}
        self.device = SimDevice(
            profile=PROFILE, verify_key=KEY.public_key(), connect=self.broker.link, cost=costs.__getitem__
        )
        if record is not None:
            self.device.durable.record = record
            self.device.restart(0.0)

    def run(self, seconds: float) -> None:
        for _ in range(int(seconds * 2)):
            self.now_s += 0.5
            self.broker.pump()
            self.device.advance(self.now_s)
            self.broker.pump()
            self.hand.work()

    def reported(self) -> Reported:
        return self.hand.reported()


@pytest.mark.parametrize("wire", [1, WIRE + 1])
def test_an_assignment_of_another_wire_is_reported_by_its_own_word_and_what_runs_goes_on(wire: int) -> None:
    alone = Alone()
    alone.hand.assign(assignment(A, 1))
    alone.run(10)
    alone.hand.assign(assignment_of_0_1(B, 2, wire=wire))
    alone.run(5)
    said = alone.reported()
    assert (said.seq, said.result, said.failure) == (2, Result.REJECTED, Failure.WIRE)
    older = "controller" if wire < WIRE else "agent"
    assert said.reason == f"it is of wire {wire}, this agent speaks {WIRE}: update the {older}"
    assert (said.sha256, alone.device.running) == (sha256(A), sha256(A))
    events_heard = [each for each in alone.hand.heard if isinstance(each, Event)]
    assert events_heard[-1].message == f"wire: {said.reason}", "a controller of 0.1 does not know the word"
    alone.hand.assign(assignment(B, 2))
    alone.run(10)
    assert alone.device.running == sha256(B), "the mark stayed where it was"


def test_a_wire_1_assignment_that_was_begun_before_the_update_comes_again_and_is_no_other() -> None:
    old = assignment_of_0_1(A, 1)
    alone = Alone(Record(latest=old))
    alone.hand.link.publish(topic("dev-1", Leaf.DESIRED), sign(old, KEY), retain=True)
    alone.run(10)
    assert (alone.reported().result, alone.device.running) == (Result.SUCCEEDED, sha256(A))
    alone.hand.assign(old)
    alone.run(2)
    assert (alone.reported().result, alone.reported().failure) == (Result.SUCCEEDED, None)


def test_devices_of_a_process_share_their_manifests() -> None:
    alone = Alone()
    alone.hand.assign(assignment(A, 1))
    alone.run(10)
    durable = alone.device.durable
    assert durable.manifests == {sha256(BODY)}
    assert durable.pool.manifests == {sha256(BODY): BODY}
    alone.hand.assign(assignment(B, 2))
    alone.run(10)
    alone.hand.assign(assignment(B, 3, rate_hz=1.0))
    alone.run(10)
    assert durable.manifests == {sha256(BODY), sha256(manifest_body(B))}


def test_a_manifest_of_an_artifact_that_is_here_is_all_that_is_fetched() -> None:
    alone = Alone()
    alone.hand.assign(assignment(A, 1))
    alone.run(10)
    other = encode_manifest(msgspec.structs.replace(manifest(A), golden=Golden(seed=9)))
    alone.hand.artifacts[sha256(other)] = other
    before = len(alone.hand.heard)
    alone.hand.assign(assignment(A, 2, rate_hz=9.0, manifest=sha256(other), manifest_bytes=len(other)))
    alone.run(10)
    assert [each.sha256 for each in alone.hand.heard[before:] if isinstance(each, Need)] == [sha256(other)]
    assert (alone.reported().seq, alone.reported().result) == (2, Result.SUCCEEDED)


def test_a_garbled_manifest_from_the_broker_is_asked_for_again() -> None:
    alone = Alone()
    alone.hand.sends_blocks = False
    alone.hand.assign(assignment(A, 1))
    alone.run(1)
    alone.hand.link.publish(str(BlobTopic(sha256(BODY), 0)), BODY[::-1])
    alone.run(1)
    assert alone.device.durable.manifests == set()
    alone.hand.sends_blocks = True
    alone.run(20)
    assert alone.device.running == sha256(A)
