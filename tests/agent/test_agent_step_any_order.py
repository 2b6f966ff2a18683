"""Whatever happens in whatever order: the device keeps something to run and never runs what it did not verify."""

from __future__ import annotations

import hashlib
from collections import deque

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from fleet import artifact, assignment, sha256
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from agent.record import Record
from agent.step import Event, Setup, State, effects, events, step
from agent.wire import blocks
from agent.wire.errors import Failure
from agent.wire.manifest import Golden, Manifest, encode_manifest
from agent.wire.messages import Reported, Trial
from agent.wire.topics import Leaf
from agent.wire.work import WindowLine

BLOCK = 1024
ARTIFACTS = [artifact(each, 3000) for each in range(3)]
BODIES = [
    encode_manifest(
        Manifest(
            sha256=sha256(data),
            size_bytes=len(data),
            block_bytes=BLOCK,
            blocks=b"".join(hashlib.sha256(block).digest() for block in blocks.cut(data, BLOCK)),
            golden=Golden(outputs=[[float(which)] * 3000] * 3),  # so that it has two blocks
        )
    )
    for which, data in enumerate(ARTIFACTS)
]
STRANGER = Ed25519PrivateKey.generate()
MIB = 2**20


class AnyOrder(RuleBasedStateMachine):
    """The disk is modelled: `whole` are verified artifacts, `part` the stored blocks, `kept` the manifests; `saved` is
    the record on it."""

    def __init__(self) -> None:
        super().__init__()
        self.now_s = 0.0
        self.saved = Record()
        self.whole: set[str] = set()
        self.kept: dict[str, bytes] = {}
        self.part: dict[str, dict[int, bytes]] = {}
        self.committed = False
        self.marks: list[tuple[int, int]] = []
        self.boot()

    # --- the shell -------------------------------------------------------------------------------------------------

    def boot(self) -> None:
        setup = Setup(
            device="dev-1",
            boot=f"b{self.now_s}",
            agent_version="0",
            architecture="x",
            runtimes=("onnxruntime",),
            profile="",
        )
        self.state = State(setup=setup, record=self.saved)
        self.answers: deque[Event] = deque()
        self.running: set[int] = set()
        self.passed: set[int] = set()
        self.going: set[int] = set()
        self.feed(events.Started(now_s=self.now_s))

    def feed(self, event: Event, *, die_after: int | None = None) -> None:
        """With `die_after` the power fails after so many effects, and the device boots again."""
        self.answers.append(event)
        done = 0
        while self.answers:
            self.state, todo = step(self.state, self.answers.popleft())
            for effect in todo:
                if done == die_after:
                    self.boot()
                    return
                self.perform(effect)
                done += 1

    def perform(self, effect: effects.Effect) -> None:
        match effect:
            case effects.SaveRecord(record):
                self.saved = record
                self.marks.append(record.mark)
            case effects.Collect(keep):
                self.whole &= keep
                self.part = {sha: part for sha, part in self.part.items() if sha in keep}
                self.kept = {sha: body for sha, body in self.kept.items() if sha in keep}
            case effects.FindManifest(sha):
                self.answers.append(events.ManifestFound(now_s=self.now_s, sha256=sha, body=self.kept.get(sha)))
            case effects.KeepManifest(sha, body):
                assert sha256(body) == sha, "only what was signed is kept"
                self.kept[sha] = body
                self.answers.append(events.ManifestFound(now_s=self.now_s, sha256=sha, body=body))
            case effects.Prepare(wanted):
                have = self.part.get(wanted.sha256, {})
                missing = {index for index in range(wanted.total) if index * BLOCK not in have}
                whole = wanted.sha256 in self.whole
                self.answers.append(
                    events.Prepared(now_s=self.now_s, sha256=wanted.sha256, whole=whole, missing=frozenset(missing))
                )
            case effects.StoreBlock(sha, offset, data):
                self.part.setdefault(sha, {})[offset] = data
            case effects.FinishDownload(wanted):
                part = self.part.pop(wanted.sha256)
                right = sha256(b"".join(part[each] for each in sorted(part))) == wanted.sha256
                assert right, "blocks that were each verified make the whole"
                self.whole.add(wanted.sha256)
                self.answers.append(events.Downloaded(now_s=self.now_s, sha256=wanted.sha256))
            case effects.StartWorker(worker, wanted, judged):
                assert wanted.sha256 in self.whole, "only what is verified and on disk is ever started"
                assert wanted.manifest in self.kept, "with the answers that it is held to"
                assert judged == (self.saved.pending is not None and self.saved.pending == wanted)
                self.running.add(worker)
            case effects.Go(worker):
                assert worker in self.passed, "only what passed its trial serves"
                assert self.saved.active is not None
                assert self.state.active is not None
                assert self.saved.active.sha256 == self.state.active.sha256, "committed before it serves"
                self.going.add(worker)
                self.committed = True
            case effects.StopWorker(worker):
                self.running.discard(worker)
                self.going.discard(worker)
            case effects.Publish(Leaf.REPORTED, Reported() as said):
                active = self.state.record.active
                assert said.sha256 in (None, active.sha256 if active else None)
            case _:
                pass

    # --- what happens ----------------------------------------------------------------------------------------------

    @rule(
        which=st.integers(0, 2),
        seq=st.integers(1, 12),
        epoch=st.integers(1, 2),
        honest=st.booleans(),
        cap_mib=st.sampled_from([None, 10, 100]),
        die_after=st.one_of(st.none(), st.integers(0, 6)),
    )
    def assign(
        self, which: int, seq: int, epoch: int, honest: bool, cap_mib: int | None, die_after: int | None
    ) -> None:
        data = ARTIFACTS[which]
        wanted = assignment(
            data,
            seq,
            epoch=epoch,
            manifest=sha256(BODIES[which]),
            manifest_bytes=len(BODIES[which]),
            ram_total_bytes=cap_mib and cap_mib * MIB,
        )
        before = self.state.record
        if honest:
            self.feed(events.DesiredArrived(now_s=self.now_s, assignment=wanted, wall_unix_s=0.0), die_after=die_after)
        else:
            self.feed(events.DesiredRefused(now_s=self.now_s, reason="by a stranger"), die_after=die_after)
        if not honest and die_after is None:
            assert self.state.record == before

    @rule(which=st.integers(0, 2), right=st.booleans(), die_after=st.one_of(st.none(), st.integers(0, 3)))
    def send_blocks(self, which: int, right: bool, die_after: int | None) -> None:
        data = ARTIFACTS[which]
        for index, block in enumerate(blocks.cut(data, BLOCK)):
            content = block if right else block[::-1]
            event = events.BlockArrived(now_s=self.now_s, sha256=sha256(data), block=index, data=content)
            self.feed(event, die_after=die_after)

    @rule(
        which=st.integers(0, 2),
        wrong=st.sampled_from([None, 0, 1]),
        which_blocks=st.sampled_from([(0,), (1,), (0, 1), (1, 0, 1)]),
        die_after=st.one_of(st.none(), st.integers(0, 3)),
    )
    def send_manifest(
        self, which: int, wrong: int | None, which_blocks: tuple[int, ...], die_after: int | None
    ) -> None:
        cut = blocks.cut(BODIES[which])
        for index in which_blocks:
            content = cut[index][::-1] if index == wrong else cut[index]
            event = events.BlockArrived(now_s=self.now_s, sha256=sha256(BODIES[which]), block=index, data=content)
            self.feed(event, die_after=die_after)

    @rule(which=st.integers(0, 2), passes=st.booleans(), die_after=st.one_of(st.none(), st.integers(0, 6)))
    def install(self, which: int, passes: bool, die_after: int | None) -> None:
        """All of it in a row, which chance alone would seldom bring about."""
        epoch, seq = self.state.record.mark
        self.link(up=True)
        self.assign(which, seq + 1, max(1, epoch), honest=True, cap_mib=None, die_after=None)
        self.send_manifest(which, None, (0, 1), None)
        self.send_manifest(which, None, (0, 1), None)  # where garbled ones had come before
        self.send_blocks(which, right=True, die_after=None)
        self.trial(passes, die_after)
        self.window(rss_mib=5)

    @rule(passes=st.booleans(), die_after=st.one_of(st.none(), st.integers(0, 6)))
    def trial(self, passes: bool, die_after: int | None) -> None:
        for worker in sorted(self.running - self.going):
            failure = None if passes else Failure.LATENCY
            verdict = Trial(sha256="0" * 64, passed=passes, failure=failure)
            if passes:
                self.passed.add(worker)
            self.feed(events.TrialDone(now_s=self.now_s, worker=worker, trial=verdict), die_after=die_after)

    @rule(die_after=st.one_of(st.none(), st.integers(0, 6)))
    def workers_die(self, die_after: int | None) -> None:
        for worker in sorted(self.running):
            self.running.discard(worker)
            self.going.discard(worker)
            self.feed(events.WorkerDied(now_s=self.now_s, worker=worker), die_after=die_after)

    @rule(rss_mib=st.sampled_from([5, 50, 500]))
    def window(self, rss_mib: int) -> None:
        line = WindowLine(
            duration_s=1.0, count=1, errors=0, busy_s=0.1, rss_bytes=rss_mib * MIB, ram_peak_bytes=rss_mib * MIB
        )
        for worker in sorted(self.going):
            self.feed(events.WindowClosed(now_s=self.now_s, worker=worker, line=line))

    @rule(seconds=st.sampled_from([0.5, 3.0, 70.0, 400.0]))
    def time_passes(self, seconds: float) -> None:
        self.now_s += seconds
        self.feed(events.Tick(now_s=self.now_s))

    @rule(up=st.booleans())
    def link(self, up: bool) -> None:
        self.feed(events.LinkUp(now_s=self.now_s) if up else events.LinkDown(now_s=self.now_s))

    @rule()
    def power_fails(self) -> None:
        self.boot()

    @rule()
    def is_stopped(self) -> None:
        self.feed(events.Stopping(now_s=self.now_s))
        assert not self.running
        self.boot()

    # --- what holds ------------------------------------------------------------------------------------------------

    @invariant()
    def there_is_something_to_run(self) -> None:
        for record in (self.saved, self.state.record):
            if self.committed:
                assert record.active is not None
            if record.active is not None:
                assert record.active.sha256 in self.whole
            if record.previous is not None:
                assert record.previous.sha256 in self.whole
                assert record.previous.sha256 != record.active.sha256  # type: ignore[union-attr]

    @invariant()
    def it_is_run_or_about_to_be(self) -> None:
        state = self.state
        if state.record.active is not None:
            assert state.active is not None or state.restart_at_s is not None

    @invariant()
    def at_most_one_serves(self) -> None:
        assert len(self.going) <= 1
        assert len(self.running) <= 2

    @invariant()
    def the_mark_never_falls(self) -> None:
        assert self.marks == sorted(self.marks)


TestAnyOrder = AnyOrder.TestCase
TestAnyOrder.settings = settings(max_examples=150, stateful_step_count=40, deadline=None)
