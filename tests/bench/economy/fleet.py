"""A thousand registered devices over the in-memory link, one real controller, and prunes in real processes.

`python -m tests.bench.economy.fleet FOLDER SPEC BUDGET_S` plays one rollout until nothing is left to be made, or until
jobs have taken so many seconds, and writes `fleet.json`. Begun again it goes on from there. It runs on release 0.1 as
well, whose rule stands beside.

The devices' time is virtual. A job takes what it takes, and moves their time on by as much.
"""

from __future__ import annotations

import json
import queue
import sys
import time
from concurrent.futures import Future
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from controller.core.intents import AddModel, RegisterDevice, StartRollout
from controller.core.nouns.caps import Caps
from controller.core.nouns.job import Job, JobState, prunes
from controller.core.nouns.rollout import RolloutState
from controller.core.nouns.variant import Variant
from controller.core.nouns.work import Prune
from controller.core.policy import Policy
from controller.loop.facts import Asked, Fact, JobEnded, JobMade
from controller.pruning.job import JobRequest, JobResult, JobRunner
from tests.stories.world import World

DEVICES, SEED = 1000, 2
_LEAST_SHARE = 0.25
_STEP_S = 5.0
_WINDOW_S = 3600.0
_POLICY = Policy(soak_s=5, retry_s=60, resend_s=60)


@dataclass(frozen=True, slots=True, kw_only=True)
class Ran:
    """A job that ended, with all that it told."""

    key: str
    seconds: float
    made: tuple[Variant, ...]
    result: JobResult


class RealJobs:
    """Starts each job in its own process. Until it ends only its own time passes, which is then the devices' too.

    What ran is kept in `record`: where the play begins anew it is told again, in the time that it took.
    """

    def __init__(self, world: World, artifacts: Path, record: Path) -> None:
        self._world, self._artifacts, self._record, self._runner = world, artifacts, record, JobRunner()
        lines = record.read_bytes().splitlines() if record.is_file() else []
        self._kept = {each.key: each for each in (msgspec.json.decode(line, type=Ran) for line in lines)}
        self._facts, self._made_by = queue.Queue[Fact](), dict[str, list[Variant]]()
        self.at_work = dict[str, tuple[str, float]]()
        self.seconds, self.anew_s, self.started = 0.0, 0.0, list[tuple[str, str]]()

    def start(self, job: Job, model: Any, start_from: tuple[str, ...]) -> None:
        """`model` is the spec's path to release 0.1."""
        spec = str(getattr(model, "spec_path", model))
        request = JobRequest(
            work=job.work, spec_path=spec, artifact_dir=str(self._artifacts), start_from=start_from, threads=1
        )
        print(f"[{self.seconds:5.0f} s] {job.kind} {job.key}", flush=True)
        self.started.append((str(job.kind), job.key))
        self.at_work[job.id], self._made_by[job.id] = (job.key, time.monotonic()), []
        kept = self._kept.get(job.key)
        if kept is None:
            self._runner.start(job.id, request, lambda *_: None, self._ended, self._made)
            return
        for variant in kept.made:
            self._made(job.id, variant)
        self._ended(job.id, kept.result)

    def cancel(self, job: str) -> None:
        self._runner.cancel(job)

    def stop(self) -> None:
        self._runner.close()

    def due(self) -> list[Fact]:
        """Waits for what runs: by the clock of the devices a job's end is at once, and then its seconds have passed."""
        if not self.at_work:
            return []
        fact = self._facts.get()
        if isinstance(fact, JobEnded):
            key, began = self.at_work.pop(fact.job)
            ran = self._kept.get(key) or self._keep(key, time.monotonic() - began, fact)
            self.seconds += ran.seconds
            self._world.now_s += ran.seconds
        return [fact]

    def _keep(self, key: str, seconds: float, ended: JobEnded) -> Ran:
        ran = Ran(key=key, seconds=seconds, made=tuple(self._made_by[ended.job]), result=ended.result)
        self.anew_s += seconds
        with self._record.open("ab") as record:
            record.write(msgspec.json.encode(ran) + b"\n")
        return ran

    def _ended(self, job: str, result: Any) -> None:
        self._facts.put(JobEnded(job, result))

    def _made(self, job: str, variant: Variant) -> None:
        self._made_by[job].append(variant)
        self._facts.put(JobMade(job, variant))


def drawn(dense: Variant, count: int) -> list[Caps]:
    """Caps on RAM, storage and p95, each log-uniform between a quarter of what the dense model takes and all of it.

    Some of them nothing fits: which ones, the measured artifacts say.
    """
    dice, rows = np.random.default_rng(SEED), list[Caps]()
    for _ in range(count):
        ram, storage, latency = (
            float(most * np.exp(dice.uniform(np.log(_LEAST_SHARE), 0.0)))
            for most in (dense.ram_bytes, dense.size_bytes, dense.latency_p95_s)
        )
        rows.append(Caps(ram_bytes=int(ram), storage_bytes=int(storage), latency_s=latency))
    return rows


def profile_of(number: int, caps: Caps) -> str:
    """A device as fast as the reference host that is held to these caps, with the margins of an unmeasured device."""
    assert caps.ram_bytes is not None
    assert caps.latency_s is not None
    return (
        f"device: dev-{number:04d}\nrate: 1 Hz\nmemory: {{model: {caps.ram_bytes * 1.02:.0f} B}}\n"
        f"storage: {caps.storage_bytes} B\ndeadline: {caps.latency_s * 1.08 * 1e6:.3f} us\n"
    )


def play(folder: Path, spec: Path, budget_s: float) -> dict[str, Any]:
    folder.mkdir(parents=True, exist_ok=True)
    for left in folder.glob("hedgerow.db*"):
        left.unlink()
    world = World(folder, _POLICY)
    jobs = RealJobs(world, folder / "artifacts", folder / "jobs.jsonl")
    world.daemon._jobs = world.jobs = jobs  # type: ignore[assignment]
    ref = world.ask(AddModel(str(spec)))
    world.until(lambda: any(each.dense for each in world.variants()), 3600)
    (dense,) = world.variants()
    devices = drawn(dense, DEVICES)
    profiles = [profile_of(number, caps) for number, caps in enumerate(devices)]
    world.daemon.turn([Asked(RegisterDevice(each), Future()) for each in profiles])
    for each in profiles:
        world.add_device(each, register=False)._window_s = _WINDOW_S  # they are to tell next to nothing
    world.run(10, _STEP_S)
    began, history = world.now_s, list[dict[str, float]]()
    rollout = world.ask(StartRollout(ref, "", waves=(1.0,), allow_unverified=True))
    ended = False
    while not ended and jobs.anew_s < budget_s:
        costs(world)
        world.run(_STEP_S, _STEP_S)
        history.append({"seconds": world.now_s - began, **served(world)})
        print(history[-1], flush=True)
        if finished(world, rollout) and not jobs.at_work:
            world.run(60, _STEP_S)
            history.append({"seconds": world.now_s - began, **served(world)})
            ended = not jobs.at_work and not waiting(world)
    jobs.stop()
    return told(world, jobs, devices, history, rollout) | {"ended": ended}


def costs(world: World) -> None:
    for each in world.variants():
        world.costs[each.sha256] = (each.ram_bytes, each.latency_p50_s)


def served(world: World) -> dict[str, float]:
    with world.store.read() as tx:
        placements = tx.placements()
    return {
        "placed": sum(each.sha256 is not None for each in placements),
        "waiting": sum(each.waiting_for is not None for each in placements),
        "refused": sum(not each.feasible for each in placements),
        "running": sum(device.running is not None for device in world.devices.values()),
    }


def waiting(world: World) -> bool:
    return served(world)["waiting"] > 0


def finished(world: World, rollout: str) -> bool:
    return world.rollout(rollout).state is not RolloutState.RUNNING


def told(
    world: World, jobs: RealJobs, devices: list[Caps], history: list[dict[str, float]], rollout: str
) -> dict[str, Any]:
    with world.store.read() as tx:
        placements = {each.device: each for each in tx.placements()}
        known = prunes(tx.jobs())
    rows = []
    for number, caps in enumerate(devices):
        placed = placements.get(f"dev-{number:04d}")
        rows.append({
            "ram_bytes": caps.ram_bytes, "storage_bytes": caps.storage_bytes, "latency_s": caps.latency_s,
            "sha256": placed.sha256 if placed else None,
            "reason": placed.reason if placed else "",
        })  # fmt: skip
    return {
        "history": history,
        "job_seconds": jobs.seconds,
        "asked": sum(kind == "prune" for kind, _ in jobs.started),
        "queued_at_the_end": sum(job.state is JobState.QUEUED for job, _ in known),
        "refused_prunes": sum(job.state is JobState.INFEASIBLE for job, _ in known),
        "predictions": [_prediction(*each, world.variants()) for each in known if each[1].prediction],
        "artifacts": [
            {"sha256": each.sha256, "accuracy": each.accuracy, "dense": each.dense, "lineage": dict(each.lineage),
             "ram_bytes": each.ram_bytes, "storage_bytes": each.size_bytes, "latency_s": each.latency_p95_s}
            for each in world.variants()
        ],
        "rollout": str(world.rollout(rollout).state),
        "devices": rows,
    }  # fmt: skip


def _prediction(job: Job, prune: Prune, variants: list[Variant]) -> dict[str, Any]:
    """What was predicted of a prune, before it was made, and what it then won; None where nothing came of it."""
    accuracy = {each.sha256: each.accuracy for each in variants}
    told_s = prune.prediction
    assert told_s is not None
    made, before = accuracy.get(job.sha256 or ""), accuracy.get(told_s.against)
    came_out = job.state is JobState.DONE and made is not None and before is not None
    return {
        "win": told_s.win, "high": told_s.high, "error": told_s.error, "audit": prune.audit, "state": str(job.state),
        "won": made - before if came_out and made is not None and before is not None else None,
    }  # fmt: skip


if __name__ == "__main__":
    where, spec_path, budget = Path(sys.argv[1]), Path(sys.argv[2]), float(sys.argv[3])
    (where / "fleet.json").write_text(json.dumps(play(where, spec_path, budget), indent=1))
