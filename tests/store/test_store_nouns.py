"""Every noun comes back from the store as it went in."""

from __future__ import annotations

from dataclasses import replace

import pytest
from sqlalchemy import update
from sqlalchemy.exc import IntegrityError

from agent.wire.errors import Failure
from agent.wire.messages import Phase, Reported, Result, Trial
from agent.wire.profile import parse_profile
from controller.core.nouns.calibration import Calibration, Learned
from controller.core.nouns.caps import Caps
from controller.core.nouns.constraint import Constraint
from controller.core.nouns.desired import Desired
from controller.core.nouns.device import Device, DeviceState
from controller.core.nouns.envelope import Cap, Envelope
from controller.core.nouns.incident import BreachKind, Incident, IncidentState
from controller.core.nouns.job import Job, JobState
from controller.core.nouns.manifest import KeptManifest
from controller.core.nouns.member import Member, Standing
from controller.core.nouns.model import Model
from controller.core.nouns.owner import Owner
from controller.core.nouns.placement import Placement
from controller.core.nouns.rollout import Rollout, RolloutState
from controller.core.nouns.variant import Precision, Variant
from controller.core.nouns.work import Prune
from controller.store import Store
from controller.store.events import KEPT_DEAD_LETTERS, MAX_PAYLOAD_BYTES
from controller.store.tables import devices

PROFILE = """
device: cam-1
class: camera
labels: {site: north}
memory: {total: 64 MiB}
deadline: 40 ms
power: {idle: 1 W, busy: 2 W}
thermal: {limit: 70 C, ambient: 30 C, resistance: 20 C/W}
"""
DEVICE = Device(
    id="cam-1",
    state=DeviceState.PENDING,
    profile=parse_profile(PROFILE),
    profile_text=PROFILE,
    device_class="camera",
    labels={"site": "north"},
    registered_unix_s=10.5,
)
REPORTED = Reported(
    device="cam-1",
    boot="b1",
    seq=2**60,
    sha256=None,
    phase=Phase.TRIAL,
    result=Result.REJECTED,
    failure=Failure.MEMORY,
    reason="a\0b",
    trial=Trial(sha256="ab", passed=False, ram_peak_bytes=2**40, latency_p95_ms=1.25),
)
MODEL = Model(
    name="fall",
    version="1",
    spec_path="/m.yaml",
    digest="d",
    accuracy_floor=0.85,
    accuracy_margin=0.01,
    added_unix_s=1.0,
)
VARIANT = Variant(
    sha256="a" * 64,
    model="fall@1",
    size_bytes=2**33,
    precision=Precision.INT8,
    ram_bytes=1000,
    ram_base_bytes=2**31,
    latency_p50_s=0.001,
    latency_p95_s=0.002,
    parameters=12,
    accuracy=0.9,
    golden_outputs=((1.0, -2.5), (0.0, 3.0)),
    lineage={"parent": None, "ratios": [0.5, 0.25], "nested": {"ok": True}},
)
DESIRED = Desired(
    device="cam-1",
    epoch=1,
    seq=1,
    model="fall@1",
    sha256="a" * 64,
    rollout="r1",
    incident=None,
    envelope=b"\x00\xffsigned",
    manifest="b" * 64,
    issued_unix_s=5.0,
)


def with_device_and_model(store: Store) -> None:
    with store.begin() as tx:
        tx.put_device(DEVICE)
        tx.put_model(MODEL)


def test_a_device_comes_back_with_its_profile_calibration_and_report(store: Store) -> None:
    calibrated = replace(
        DEVICE,
        boot="b1",
        runtimes=("onnxruntime",),
        wire=2**63 - 1,
        calibration=Calibration(slowness=2.5, slowness_samples=3, ram_extra_bytes=2**35),
        reported=REPORTED,
    )
    with store.begin() as tx:
        tx.put_device(DEVICE)
        tx.put_device(calibrated)
    with store.read() as tx:
        assert tx.get_device("cam-1") == calibrated
        assert tx.devices() == [calibrated]
        assert tx.get_device("nobody") is None


def test_a_calibration_keeps_its_sources_and_one_from_before_there_were_any_loads(store: Store) -> None:
    entry = Learned(by="incident cam-1-1", learned_unix_s=7.0, sha256="a", suspect=True, doubted_unix_s=9.0, most=31.5)
    known = replace(DEVICE, calibration=Calibration(ambient_celsius=63.4, learned={"ambient_celsius": entry}))
    with store.begin() as tx:
        tx.put_device(known)
        assert tx.get_device("cam-1") == known
        old = {"slowness": 2.0, "slowness_samples": 3, "ram_base_bytes": None, "ram_extra_bytes": None,
               "ambient_celsius": 63.4, "busy_watts": None}  # fmt: skip
        tx._connection.execute(update(devices).values(calibration=old))
        loaded = tx.get_device("cam-1")
    assert loaded is not None
    assert loaded.calibration == Calibration(slowness=2.0, slowness_samples=3, ambient_celsius=63.4)


def test_models_and_variants(store: Store) -> None:
    newer = replace(MODEL, version="2", added_unix_s=2.0, accuracy_floor=None, refine_s=600.0)
    dense = replace(VARIANT, sha256="b" * 64, dense=True, created_unix_s=1.0)
    with store.begin() as tx:
        tx.put_model(MODEL)
        tx.put_model(newer)
        tx.put_variant(dense)
        tx.put_variant(VARIANT)
    with store.read() as tx:
        assert tx.get_model("fall@1") == MODEL
        assert tx.models() == [newer, MODEL]
        assert tx.get_variant(VARIANT.model, VARIANT.sha256) == VARIANT
        assert tx.variants("fall@1") == tx.variants() == [VARIANT, dense]
        assert tx.variants("fall@2") == []


def test_models_with_the_same_weights_each_keep_their_variant(store: Store) -> None:
    newer = replace(MODEL, version="2", added_unix_s=2.0)
    theirs = replace(VARIANT, model=newer.ref, accuracy=0.5)
    with store.begin() as tx:
        tx.put_model(MODEL)
        tx.put_model(newer)
        tx.put_variant(VARIANT)
        tx.put_variant(theirs)
    with store.read() as tx:
        assert (tx.variants(MODEL.ref), tx.variants(newer.ref)) == ([VARIANT], [theirs])
        assert tx.get_variant(newer.ref, VARIANT.sha256) == theirs
        assert tx.artifact_bytes(VARIANT.sha256) == VARIANT.size_bytes


def test_jobs_by_state_in_the_order_they_were_asked_for(store: Store) -> None:
    with_device_and_model(store)
    queued = Job(id="j2", model="fall@1", work=Prune(Caps(ram_bytes=2**34, latency_s=0.01)), created_unix_s=2.0)
    answer = Prune(Caps(), binding=Constraint.ACCURACY)
    done = Job(id="j1", model="fall@1", work=answer, state=JobState.INFEASIBLE, created_unix_s=1.0)
    with store.begin() as tx:
        tx.put_job(queued)
        tx.put_job(done)
    with store.read() as tx:
        assert tx.jobs() == [done, queued]
        assert tx.jobs(JobState.QUEUED, JobState.RUNNING) == [queued]
        assert tx.get_job("j1") == done


def test_what_a_variant_loses_against_dense_comes_back_and_may_be_unknown(store: Store) -> None:
    paired = replace(VARIANT, drop=0.004, drop_low=-0.002, drop_high=0.01, gate_samples=2000)
    unknown = replace(VARIANT, sha256="b" * 64)
    with store.begin() as tx:
        tx.put_model(MODEL)
        tx.put_variant(paired)
        tx.put_variant(unknown)
    with store.read() as tx:
        assert tx.variants() == [paired, unknown]


def test_the_newest_placement_replaces_the_one_before(store: Store) -> None:
    with_device_and_model(store)
    envelope = Envelope(Cap(6e6, Constraint.RAM_MODEL), None, Cap(0.004, Constraint.THERMAL))
    first = Placement(
        device="cam-1", model="fall@1", feasible=False, binding=Constraint.THERMAL, envelope=envelope,
        reason="too hot", relaxations=("rate 2 Hz", "limit 80 C"),
    )  # fmt: skip
    second = replace(first, feasible=True, sha256="a" * 64, relaxations=())
    with store.begin() as tx:
        tx.put_placement(first)
        assert tx.placements() == [first]
        tx.put_placement(second)
    with store.read() as tx:
        assert tx.placements(device="cam-1", model="fall@1") == [second]
        assert tx.placements(device="other") == []


def test_the_latest_assignment_is_the_highest_by_epoch_then_seq(store: Store) -> None:
    with_device_and_model(store)
    items = [replace(DESIRED, epoch=epoch, seq=seq) for epoch, seq in ((1, 9), (2, 1), (2, 2))]
    with store.begin() as tx:
        for item in items:
            tx.put_desired(item)
        ended = replace(items[2], result=Result.SUCCEEDED, finished_unix_s=9.0)
        tx.finish_desired([ended, replace(ended, device="nobody")])
    with store.read() as tx:
        assert tx.latest_desired("cam-1") == ended
        assert tx.latest_desired_all() == {"cam-1": ended}
        assert tx.history("cam-1") == [ended, items[1], items[0]]
        assert tx.history("cam-1", limit=1) == [ended]


def test_a_device_has_one_owner_and_a_member_in_each_rollout_that_ever_did(store: Store) -> None:
    with_device_and_model(store)
    first, second = (Member(rollout=f"r{at}", device="cam-1", reason="why") for at in (1, 2))
    moved = replace(second, standing=Standing.RUNNING, wave=0, since_unix_s=3.0, due_unix_s=99.0, attempt=2, reason="")
    owner = Owner(device="cam-1", rollout="r1", since_unix_s=1.0)
    taken = replace(owner, rollout="r2", before="r1", since_unix_s=2.0)
    with store.begin() as tx:
        for name in ("r1", "r2"):
            tx.put_rollout(Rollout(id=name, model="fall@1", selector=""))
        tx.put_owners([owner])
        tx.put_members([first, second])
        assert tx.owned_members() == [first]
        tx.put_owners([taken])
        tx.put_members([moved])
        assert tx.newest_unix_s() < 99.0, "what is due is yet to come"
    with store.read() as tx:
        assert tx.owners() == [taken]
        assert (tx.members("r1"), tx.members("r2"), tx.members("r3")) == ([first], [moved], [])
        assert tx.owned_members() == [moved]


def test_rollouts_and_incidents_newest_first(store: Store) -> None:
    with_device_and_model(store)
    old = Rollout(id="r9", model="fall@1", selector="", state=RolloutState.FINISHED, started_unix_s=2.0)
    corrected = 1.0  # the clock has gone back in between
    new = Rollout(id="r10", model="fall@1", selector="site=north", waves=(0.1, 0.5, 1.0), started_unix_s=corrected)
    closed = Incident(id="i1", device="cam-1", kind=BreachKind.LATENCY, state=IncidentState.REPAIRED, opened_unix_s=1.0)
    acting = Incident(id="i2", device="cam-1", kind=BreachKind.MEMORY, state=IncidentState.ACTING, opened_unix_s=2.0)
    with store.begin() as tx:
        for rollout in (old, new):
            tx.put_rollout(rollout)
        for incident in (closed, acting):
            tx.put_incident(incident)
    with store.read() as tx:
        assert tx.rollouts() == [new, old]
        assert tx.rollouts(RolloutState.RUNNING) == [new]
        assert tx.get_rollout("r9") == old
        assert tx.incidents() == [acting, closed]
        assert tx.incidents("cam-1", open_only=True) == [acting]
        assert tx.incidents("other") == []
        assert tx.get_incident("i1") == closed


def test_what_no_database_can_keep_is_a_name_of_nothing(store: Store) -> None:
    """Operators name things in URLs, where NUL can be written."""
    nothing = "a\0b"
    with store.begin() as tx:
        found = (tx.get_device, tx.get_model, tx.get_job, tx.get_rollout, tx.get_incident, tx.artifact_bytes)
        assert [get(nothing) for get in found] == [None] * len(found)
        assert tx.get_variant(nothing, nothing) is None
        assert (tx.variants(nothing), tx.placements(nothing, nothing), tx.incidents(nothing)) == ([], [], [])
        assert (tx.history(nothing), tx.recent_windows(nothing, 9), tx.events(nothing)) == ([], [], [])


def test_meta_events_and_bounded_dead_letters(store: Store) -> None:
    with store.begin() as tx:
        tx.put_meta("epoch", "1")
        tx.put_meta("epoch", "2")
        tx.add_event("cam-1", "b1", "throttled", "it is \0 hot", 3.0)
        tx.add_event("cam-2", "b1", "undervoltage", "", 4.0)
        for number in range(KEPT_DEAD_LETTERS + 5):
            tx.add_dead_letter("t" * 9999, b"x" * 9999, "not JSON", float(number))
    with store.read() as tx:
        assert tx.get_meta("epoch") == "2"
        assert tx.get_meta("nothing") is None
        assert [event.kind for event in tx.events()] == ["undervoltage", "throttled"]
        assert [event.message for event in tx.events("cam-1")] == ["it is � hot"]
        letters = tx.dead_letters(limit=10_000)
    assert len(letters) == KEPT_DEAD_LETTERS
    assert letters[0].unix_s == KEPT_DEAD_LETTERS + 4
    assert letters[0].payload == b"x" * MAX_PAYLOAD_BYTES


def test_a_row_about_nothing_known_is_refused_and_the_whole_transaction_undone(store: Store) -> None:
    def write() -> None:
        with store.begin() as tx:
            tx.put_meta("epoch", "7")
            tx.put_desired(DESIRED)

    with pytest.raises(IntegrityError, match=r"(?i)foreign key"):
        write()
    with store.read() as tx:
        assert tx.get_meta("epoch") is None


def test_manifests_are_known_by_their_digest_and_by_their_artifact(store: Store) -> None:
    made = KeptManifest(digest="d" * 64, sha256="a" * 64, body=b"\x00\xff" * 40_000)
    other = KeptManifest(digest="c" * 64, sha256="b" * 64, body=b"")
    with store.begin() as tx:
        for each in (made, other, made):
            tx.put_manifest(each)
    with store.read() as tx:
        assert tx.get_manifest(made.digest) == made
        assert tx.manifest_names() == {"a" * 64: ("d" * 64, 80_000), "b" * 64: ("c" * 64, 0)}
        assert tx.get_manifest("a" * 64) is None
