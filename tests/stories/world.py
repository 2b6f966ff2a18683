"""A whole fleet in one process under a virtual clock: the real daemon and its real database, the agents' real decisions
over physics, a broker in memory. Only two things are modelled: the runtime on the devices, and how long a prune takes.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from agent.simulate.device import SimDevice
from agent.simulate.memory import Faults, MemoryBroker, MemoryLink
from agent.simulate.runtime import P95
from controller.core.catalog import catalog_of
from controller.core.intents import AcceptDevice, AddModel, Intent, RegisterDevice, StartRollout
from controller.core.nouns.constraint import Constraint
from controller.core.nouns.desired import Desired
from controller.core.nouns.device import Device
from controller.core.nouns.incident import Incident
from controller.core.nouns.job import AT_WORK, Job, JobState
from controller.core.nouns.member import Member
from controller.core.nouns.model import Model
from controller.core.nouns.owner import Owner
from controller.core.nouns.placement import Placement
from controller.core.nouns.rollout import Rollout
from controller.core.nouns.variant import Precision, Variant
from controller.core.nouns.window import StoredWindow
from controller.core.nouns.work import Ladder, Refine
from controller.core.policy import Policy
from controller.core.presence import Presence
from controller.core.retention import Retention
from controller.loop.clock import Clock
from controller.loop.daemon import Daemon
from controller.loop.facts import Asked, Fact, JobEnded, JobMade
from controller.loop.fleet import VOLATILE, Fleet, lasting, load
from controller.loop.perform import Performer
from controller.loop.ring import unpacked
from controller.pruning.job import JobResult
from controller.store.artifacts import Artifacts
from controller.store.events import DeadLetter
from controller.store.tx import Tx
from tests.databases import Databases, Sqlite

MIB = 2**20
RAM_BASE = 48 * MIB
DENSE = Variant(
    sha256="", model="", size_bytes=300_000, precision=Precision.FP32, ram_bytes=8 * MIB,
    ram_base_bytes=RAM_BASE, latency_p50_s=0.010, latency_p95_s=0.010 * P95, parameters=1_000_000,
    accuracy=0.95, accuracy_low=0.94, accuracy_high=0.96, dense=True,
)  # fmt: skip
START_UNIX_S = 1_800_000_000.0


@dataclass
class ModelledJobs:
    """Prunes take `seconds` of the story's time and hit 97% of every cap; below `floor` times dense they cannot.

    A ladder takes as long for each rung that it was not started from. A refine takes what is left of its budget, also
    after it was cancelled, and makes what is right a little more often. `answers` overrides how a job ends.
    """

    world: World
    seconds: float = 20.0
    floor: float = 0.1
    running: dict[str, tuple[float, Job]] = field(default_factory=dict)
    started: list[str] = field(default_factory=list)
    left: dict[str, list[Variant]] = field(default_factory=dict)
    cancelled: list[str] = field(default_factory=list)
    refined_s: dict[str, float] = field(default_factory=dict)
    spoilt: Callable[[Variant], Variant] = lambda variant: variant
    answers: Callable[[Job], JobResult | None] = lambda job: None

    def start(self, job: Job, model: Model, start_from: tuple[str, ...]) -> None:
        self.started.append(job.key)
        assert job.id not in self.running
        self.running[job.id] = (self.world.now_s + self.seconds, job)
        match job.work:
            case Refine(budget_s=budget_s):
                left_s = budget_s - self.refined_s.get(job.id, 0.0)
                self.running[job.id] = (self.world.now_s + left_s, job)
            case Ladder(rungs):
                made = [self._variant(job, 1 - at / (rungs + 1)) for at in range(1, rungs + 1)]
                self.left[job.id] = [rung for rung in made if rung.sha256 not in start_from]

    def cancel(self, job: str) -> None:
        if job in self.running:
            self.cancelled.append(job)

    def stop(self) -> None:
        self.running.clear()

    def due(self) -> list[Fact]:
        moved = [job for due_s, job in self.running.values() if due_s <= self.world.now_s]
        ended = [fact for job in moved for fact in self._step(job)]
        killed = [self._killed(name) for name in self.cancelled if name in self.running]
        self.cancelled.clear()
        return [*ended, *killed]

    def _killed(self, name: str) -> Fact:
        due_s, job = self.running.pop(name)
        if isinstance(job.work, Refine):
            self.refined_s[name] = job.work.budget_s - (due_s - self.world.now_s)
        return JobEnded(name, JobResult(state=JobState.FAILED, detail="cancelled", retry=True))

    def _step(self, job: Job) -> list[Fact]:
        left = self.left.get(job.id, [])
        made: list[Fact] = [JobMade(job.id, rung) for rung in left[:1]]
        del left[:1]
        if left:
            self.running[job.id] = (self.world.now_s + self.seconds, job)
            return made
        del self.running[job.id]
        return [*made, JobEnded(job.id, self.answers(job) or self.result(job))]

    def result(self, job: Job) -> JobResult:
        """How the job ends; what it makes is put with the artifacts."""
        if isinstance(job.work, Ladder):
            return JobResult(state=JobState.DONE, detail=f"{job.work.rungs} rungs")
        caps = job.caps
        share = min(
            1.0,
            (caps.latency_s or 1.0) / DENSE.latency_p95_s,
            (caps.ram_bytes or 2**60) / DENSE.ram_bytes,
            (caps.storage_bytes or 2**60) / DENSE.size_bytes,
        )
        if share < self.floor:
            return JobResult(
                state=JobState.INFEASIBLE, variant=self._variant(job, self.floor), binding=Constraint.DEADLINE,
                detail="the smallest is 10% of the dense model",
            )  # fmt: skip
        variant = self._variant(job, 1.0 if share == 1.0 else share * 0.97)
        if isinstance(job.work, Refine):
            self.refined_s[job.id] = job.work.budget_s
        return JobResult(state=JobState.DONE, variant=variant, binding=None, detail="")

    def _variant(self, job: Job, share: float) -> Variant:
        size, better = int(DENSE.size_bytes * share), 0.01 if isinstance(job.work, Refine) else 0.0
        of = "" if job.model == "watch@1" else job.model  # its artifacts are those that 0.1 left
        data = hashlib.sha256(f"{of}{job.key} {share}".encode()).digest() * (size // 32 + 1)
        sha256 = self.world.artifacts.put(data[:size])
        variant = replace(
            DENSE, sha256=sha256, model=job.model, size_bytes=size, ram_bytes=int(DENSE.ram_bytes * share),
            latency_p50_s=DENSE.latency_p50_s * share, latency_p95_s=DENSE.latency_p95_s * share,
            parameters=int(DENSE.parameters * share),
            accuracy=0.95 - 0.1 * (1 - share) + better, dense=share == 1.0, requested=job.caps.key,
        )  # fmt: skip
        self.world.costs[sha256] = (variant.ram_bytes, variant.latency_p50_s)
        return self.spoilt(variant)


class World:
    """One controller and its devices. `run(seconds)` lets time pass; everything else happens at once.

    `now_s` is the true time. By `wall_jump_s` the clock of the controller's host, in its `boot`, is wrong.
    """

    databases: Databases = Sqlite()

    def __init__(self, tmp_path: Path, policy: Policy, faults: Faults | None = None) -> None:
        self.now_s = START_UNIX_S
        self.wall_jump_s, self.boot = 0.0, "boot"
        self.tmp_path = tmp_path
        self.policy = policy
        self.key = Ed25519PrivateKey.from_private_bytes(b"k" * 32)
        self.broker = MemoryBroker(faults)
        self.artifacts = Artifacts(tmp_path / "artifacts")
        self.costs: dict[str, tuple[int, float]] = {}
        self.devices: dict[str, SimDevice] = {}
        self.jobs = ModelledJobs(self)
        self.retention = Retention()
        self._ticks, self.compares_memory = 0, True
        self.start_controller()

    # --- the controller ----------------------------------------------------------------------------------------------

    def start_controller(self) -> None:
        self.store = self.databases.open(self.tmp_path)
        with self.store.begin() as tx:
            self.clock = Clock(
                tx.get_meta("clock"), tx.newest_unix_s(), boot=self.boot, kept=lambda: False,
                wall=lambda: self.now_s + self.wall_jump_s, steady=lambda: self.now_s - START_UNIX_S,
            )  # fmt: skip
            tx.put_meta("clock", self.clock.memory())
        self.link = self.broker.link("hedgerow-controller", manual_ack=True)
        self.performer = Performer(self.key, 1, self.artifacts)
        self.daemon = Daemon(
            store=self.store,
            artifacts=self.artifacts,
            link=self.link,
            jobs=self.jobs,
            performer=self.performer,
            policy=self.policy,
            clock=self.clock,
            retention=self.retention,
        )
        self._facts: list[Fact] = []
        self.daemon.enqueue = self._facts.append  # type: ignore[method-assign]
        self.daemon.start()
        self.controller_up = True

    def put(self, write: Callable[[Tx], object]) -> None:
        """Write what no operator can, as a restart would find it."""
        with self.store.begin() as tx:
            write(tx)
        self.daemon.reload()

    def kill_controller(self, *, with_broker: bool = False) -> None:
        """No goodbye: what is not committed is gone, running jobs with it; time goes on for the devices.

        With an embedded broker, so are retained messages and sessions until `restart_controller`.
        """
        self.controller_up = False
        self.link.drop()
        if with_broker:
            self.broker.stop(forget=True)
        self.jobs.running.clear()
        self.store.close()

    def restart_controller(self) -> None:
        self.broker.start()
        self.start_controller()

    # --- time --------------------------------------------------------------------------------------------------------

    def run(self, seconds: float, step_s: float = 0.5) -> None:
        end = self.now_s + seconds
        while self.now_s < end:
            self.now_s += step_s
            self.tick()

    def tick(self) -> None:
        for device in self.devices.values():
            device.advance(self.now_s)
        self.broker.pump()
        if self.controller_up:
            facts, self._facts[:] = [*self._facts, *self.jobs.due()], []
            self.daemon.turn(facts)
            assert not self.daemon.overlooked(self.daemon._fleet.devices), "a device that nobody woke"
            assert not self.daemon.miscounted(), "members that were not counted as they moved"
            self._ticks += 1
            if self.compares_memory and self._ticks % 50 == 0:
                self.assert_memory_is_what_is_stored()
            self.broker.pump()

    def assert_memory_is_what_is_stored(self) -> None:
        with self.store.read() as tx:
            stored = load(tx, self.policy)
        known, apart = self.daemon._fleet, {*VOLATILE, "devices", "wishes", "windows"}
        for name in {each.name for each in fields(stored)} - apart:
            assert getattr(known, name) == getattr(stored, name), name
        assert _timeless(known.devices) == _timeless(stored.devices)
        assert (known.wishes.all, known.wishes.needed) == (stored.wishes.all, stored.wishes.needed)
        assert _judged(known) == _judged(stored)
        for ref, each in known.catalogs.items():
            fresh = catalog_of(stored.models[ref], stored.variants.values(), stored.jobs.values())
            assert (each.model, each.variants, _still(each.jobs)) == (fresh.model, fresh.variants, _still(fresh.jobs))

    def until(self, happened: Callable[[], bool], limit_s: float = 600.0) -> None:
        """Let time pass until it happened; fails where it does not within `limit_s`."""
        end = self.now_s + limit_s
        while not happened():
            assert self.now_s < end, f"not within {limit_s} s: {self.describe()}"
            self.run(0.5)

    # --- operators and devices ---------------------------------------------------------------------------------------

    def ask(self, intent: Intent) -> str:
        future: Future[str] = Future()
        self.daemon.turn([Asked(intent, future)])
        return future.result(0)

    def add_device(self, profile: str, *, register: bool = True, window_s: float = 2.0, **body: Any) -> SimDevice:
        if register:
            self.ask(RegisterDevice(profile))
        device = SimDevice(
            profile=profile, verify_key=self.key.public_key(), connect=self._connect, cost=self.costs.__getitem__,
            ram_base_bytes=RAM_BASE, now_s=self.now_s, window_s=window_s, **body,
        )  # fmt: skip
        self.devices[device.id] = device
        return device

    def accept(self, device: str) -> None:
        self.ask(AcceptDevice(device))

    def add_model(self, name: str = "watch") -> str:
        ref = self.ask(AddModel(str(write_spec(self.tmp_path, name))))
        self.until(lambda: any(each.model == ref for each in self.variants()))
        return ref

    def roll_out(self, selector: str = "", model: str = "watch@1") -> str:
        return self.ask(StartRollout(model, selector, allow_unverified=True))

    def _connect(self, client_id: str, will: tuple[str, bytes]) -> MemoryLink:
        return self.broker.link(client_id, will)

    # --- what is stored ----------------------------------------------------------------------------------------------

    def device(self, device: str) -> Device:
        with self.store.read() as tx:
            found = tx.get_device(device)
        assert found is not None
        return found

    def presence(self, device: str) -> Presence:
        return self.daemon.presence(device)

    def variants(self) -> list[Variant]:
        with self.store.read() as tx:
            return tx.variants()

    def placement(self, device: str) -> Placement | None:
        with self.store.read() as tx:
            found = tx.placements(device=device)
        return found[0] if found else None

    def incidents(self, device: str) -> list[Incident]:
        with self.store.read() as tx:
            return tx.incidents(device=device)

    def rollouts(self) -> list[Rollout]:
        with self.store.read() as tx:
            return tx.rollouts()

    def rollout(self, rollout: str) -> Rollout:
        with self.store.read() as tx:
            found = tx.get_rollout(rollout)
        assert found is not None
        return found

    def owner(self, device: str) -> Owner | None:
        with self.store.read() as tx:
            return next((each for each in tx.owners() if each.device == device), None)

    def members(self, rollout: str) -> dict[str, Member]:
        with self.store.read() as tx:
            return {each.device: each for each in tx.members(rollout)}

    def standings(self, rollout: str) -> dict[str, str]:
        return {name: each.standing.value for name, each in self.members(rollout).items()}

    def told(self, device: str) -> Desired:
        """The newest assignment."""
        with self.store.read() as tx:
            found = tx.latest_desired(device)
        assert found is not None
        return found

    def results(self, device: str) -> list[str | None]:
        """The results of all assignments of a device, oldest first."""
        with self.store.read() as tx:
            return [desired.result for desired in sorted(tx.history(device), key=lambda each: each.seq)]

    def assignments(self, device: str) -> list[tuple[int, str, str | None]]:
        """(seq, sha256, result) of all assignments of a device, oldest first."""
        with self.store.read() as tx:
            history = sorted(tx.history(device), key=lambda each: each.seq)
        return [(each.seq, each.sha256, each.result) for each in history]

    def job(self, job: str) -> Job:
        with self.store.read() as tx:
            found = tx.get_job(job)
        assert found is not None
        return found

    def windows(self, device: str) -> list[tuple[str, int]]:
        """(boot, seq) of every stored row of a device, in the order in which they came."""
        with self.store.read() as tx:
            return [(each.boot, each.window.seq) for each in tx.recent_windows(device, 1_000_000)]

    def dead_letters(self) -> list[DeadLetter]:
        with self.store.read() as tx:
            return tx.dead_letters()

    def describe(self) -> str:
        return "; ".join(f"{each}: {self.placement(each)} {self.results(each)}" for each in self.devices)


def _still(jobs: Mapping[str, Job]) -> dict[str, Job]:
    """But for how far they are."""
    return {key: replace(job, detail="") if job.state in AT_WORK else job for key, job in jobs.items()}


def _timeless(devices: Mapping[str, Device]) -> dict[str, Device]:
    return {name: lasting(each) for name, each in devices.items()}


def _judged(fleet: Fleet) -> dict[str, list[StoredWindow]]:
    """The windows that decisions look at: those since the device said that it runs what it was told to."""
    since = {name: each.finished_unix_s or 0.0 for name, each in fleet.desired.items()}
    rings = {name: unpacked(name, packed) for name, packed in fleet.windows.items()}
    found = {name: [each for each in ring if each.received_unix_s >= since[name]] for name, ring in rings.items()}
    return {name: judged for name, judged in found.items() if judged}


def write_spec(folder: Path, name: str) -> Path:
    """The spec of a model that is declared like any and never loaded, with the files that it names."""
    (folder / "weights.safetensors").write_bytes(b"weights")
    (folder / "net.py").write_text("def build(): ...\n")
    spec = folder / f"{name}.yaml"
    spec.write_text(
        f"name: {name}\nversion: '1'\nfactory: net.py:build\nweights: weights.safetensors\n"
        "input: {shape: [1, 6, 128]}\n"
        "accuracy: {floor: 85 %}\n"
    )
    return spec


def profile(device: str, *lines: str) -> str:
    return "\n".join([f"device: {device}", "rate: 4 Hz", *lines]) + "\n"
