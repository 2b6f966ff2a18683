"""Power cuts at every step of installs, on a real ext4. `make powercut` runs many more than the test by itself."""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from fleet import artifact, assignment
from powercut import CutError, Device, PowerCuts, can_mount

from agent.spool import Spool
from agent.step import Effect, effects
from agent.wire.messages import Assignment, Result

CUTS = int(os.environ.get("HEDGEROW_CUTS", "60"))
INSTALLS = 12
CHANCES_AN_INSTALL = 60  # about
ARTIFACTS = [artifact(seed, 150_000 + 10_000 * seed) for seed in range(3)]
Window = tuple[str, int]


@dataclass
class Story:
    """One device, installing again and again; what it has promised so far is what each cut is held to."""

    succeeded: bool = False
    wanted: Assignment | None = None
    data: bytes = b""
    kept: set[Window] = field(default_factory=set)
    cuts: PowerCuts | None = None
    device: Device | None = None

    def live(self, state: Path) -> None:
        self.device = Device(state, "first", self.done)
        for number in range(INSTALLS):
            self.data = ARTIFACTS[number % len(ARTIFACTS)]
            self.wanted = assignment(self.data, number + 1)
            self.device.install(self.wanted, self.data)
            assert self.device.state.record.active is not None
            assert self.device.state.record.active.sha256 == self.wanted.sha256
            if number % 3 == 2:
                self.acknowledge()
        self.device.close()

    def acknowledge(self) -> None:
        """The controller has the oldest half: from now on the device may forget them."""
        assert self.device is not None
        seqs = sorted(seq for _, seq in self.kept)
        highest = seqs[len(seqs) // 2]
        self.kept = {(boot, seq) for boot, seq in self.kept if seq > highest}
        self.device.acknowledge("first", highest)

    def done(self, effect: Effect) -> None:
        """An effect has come back: what it stands for is a promise."""
        if isinstance(effect, effects.Spool):
            self.kept.add(("first", effect.window.seq))
        if isinstance(effect, effects.SaveRecord) and effect.record.outcome is not None:
            self.succeeded = self.succeeded or effect.record.outcome.result is Result.SUCCEEDED
        assert self.cuts is not None
        self.cuts.chance(f"after {type(effect).__name__}")

    def examine(self, state: Path) -> None:
        """Boot what the cut left; raises `CutError` where a promise is broken."""
        spool = Spool(state / "spool.sqlite", 1000)
        batch = spool.batch(10_000)
        spool.close()
        there = set() if batch is None else {(batch[0], each.seq) for each in batch[1]}
        if lost := self.kept - there:
            raise CutError(f"windows are lost: {sorted(lost)}")
        again = Device(state, "again")
        if self.succeeded and not again.workers.ran:
            raise CutError("nothing runs although something was installed")
        if self.wanted is not None:
            again.install(self.wanted, self.data)
            active = again.state.record.active
            if active is None or active.sha256 != self.wanted.sha256 or not again.slots.is_whole(active.sha256):
                raise CutError("the install cannot be finished")
        again.close()


@pytest.fixture
def medium() -> Iterator[Path]:
    """Where images are made: in memory where there is room, as every cut syncs a lot."""
    memory = Path("/dev/shm")
    with tempfile.TemporaryDirectory(dir=memory if memory.is_dir() else None) as folder:
        if not can_mount(Path(folder)):
            pytest.skip("loop-mounting an image needs root")
        yield Path(folder)


@pytest.mark.e2e
@pytest.mark.timeout(1200)
def test_a_cut_at_any_step_leaves_a_slot_that_runs_and_every_window(
    medium: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    story = Story()
    cuts = PowerCuts(medium, max(1, INSTALLS * CHANCES_AN_INSTALL // CUTS), story.examine)
    story.cuts = cuts
    with cuts.powered() as state:
        story.live(state)
    with capsys.disabled():
        sys.stdout.write(f"\n{cuts.cuts} cuts at {cuts.chances} chances: {dict(sorted(cuts.where.items()))}\n")
    assert cuts.cuts >= CUTS
    assert len(cuts.where) >= min(CUTS // 6, 12)
