"""The demo's story, told by the API alone: what it shows is what any client would see."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import TypeVar

import msgspec

from agent.wire.messages import Window
from agent.wire.profile import Profile
from agent.worker.ask import TrialError
from controller.cli.demo.processes import Processes
from controller.cli.demo.stage import (
    DENSE_ON_DEVICE_S,
    WINDOW_S,
    Pace,
    Stage,
    demo_profiles,
    paced,
    physics_spec,
    set_device,
    warm,
)
from controller.cli.demo.teller import DemoFailed, Teller
from controller.client import Client, ClientError, Row

T = TypeVar("T")
WARMED_DEVICE = "warm-watch"
_ROOM_LEFT = 0.6  # of the latency it has: what the warmer surroundings leave the device
_OBSERVED_WINDOWS = 5


@dataclass(frozen=True, slots=True)
class Observed:
    """One device at the end of an act: how the API shows it and its newest windows, all of the variant it runs."""

    profile: Profile
    row: Row
    windows: Sequence[Window]


@dataclass(frozen=True, slots=True)
class Scenes:
    """What there is to report: the fleet at the end, the variants and which of them ever ran, the incident."""

    after: Mapping[str, Observed]
    variants: Mapping[str, Row]
    ran: frozenset[str]
    incident: Row
    gflops: float
    elapsed_s: float


class Story:
    def __init__(self, stage: Stage, processes: Processes, teller: Teller, cache: Path) -> None:
        self._stage, self._processes, self._teller, self._cache = stage, processes, teller, cache
        self._profiles = demo_profiles()
        self._client = Client(stage.api)
        self._ran = set[str]()

    def play(self) -> Scenes:
        tell = self._teller
        tell.chapter("1. One trained model: seven exercises from a smartwatch's motion sensors")
        self._train()
        tell.chapter("2. A controller, and the dense model as measured here")
        model, dense = self._start_controller()
        pace = self._pace(dense)
        tell.chapter(
            f"3. Six devices register, each its own process, this host slowed down to {pace.gflops:.2f} GFLOP/s: "
            f"{DENSE_ON_DEVICE_S * 1e3:.0f} ms for the dense model"
        )
        self._start_devices(pace)
        tell.chapter("4. One rollout: prune to each device's envelope, push, try on the device, serve")
        self._roll_out(model)
        before = self._observe()
        ambient_celsius = too_warm(before[WARMED_DEVICE])
        tell.chapter(f"5. The surroundings of {WARMED_DEVICE} warm up to {ambient_celsius:.1f} C")
        incident = self._warm(ambient_celsius)
        after = self._observe()
        variants = {row["sha256"]: row for row in self._client.variants(model)}
        return Scenes(after, variants, frozenset(self._ran), incident, pace.gflops, tell.elapsed_s)

    # --- the scenes --------------------------------------------------------------------------------------------------

    def _train(self) -> None:
        """In a process of its own, so that the demo itself never loads torch."""
        command = [sys.executable, "-m", "controller.zoo", str(self._cache), str(self._model_folder)]
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as training:
            assert training.stdout is not None
            lines = [line.rstrip() for line in _told(training.stdout, self._teller)]
        if training.returncode:
            raise DemoFailed("the model could not be prepared:\n" + "\n".join(lines[-5:]))

    def _start_controller(self) -> tuple[str, Row]:
        stage = self._stage
        self._processes.start(
            "controller",
            "controller.cli",
            ["serve", "--state", str(stage.controller_state), "--http", f"127.0.0.1:{stage.http_port}",
             "--broker", f"embedded:127.0.0.1:{stage.broker_port}"],
        )  # fmt: skip
        self._until(self._healthy, lambda: "waiting for the controller", 30, "the controller starts")
        self._teller.say(f"dashboard and API: {stage.api}")
        ref: str = self._client.add_model(str(self._model_folder / "model.yaml"))["ref"]
        dense = self._until(lambda: self._dense(ref), self._jobs, 180, "the dense model is measured")
        return ref, dense

    def _pace(self, dense: Row) -> Pace:
        try:
            return paced(self._stage, dense)
        except TrialError as error:
            raise DemoFailed(f"the dense model on an emulated device: {error}") from None

    def _start_devices(self, pace: Pace) -> None:
        replay = self._model_folder / "replay.npy"
        for profile, text in self._profiles:
            set_device(self._stage, profile, text, pace, replay)
        self._processes.start("physics", "agent.simulate.sysfs", ["--spec", str(physics_spec(self._stage, self._all))])
        for profile, _ in self._profiles:
            home = self._stage.device(profile.device)
            self._processes.start(profile.device, "agent.cli", ["run", "-c", str(home / "agent.yaml")])
        self._until(self._all_announced, self._announced, 60, "every agent announces itself")
        for row in self._client.devices():
            self._teller.say(f"{row['id']} announced itself and is {row['state']}; accepted")
            self._client.accept_device(row["id"])

    def _roll_out(self, model: str) -> None:
        for row in self._client.plan(model):
            self._teller.say(f"plan: {row['device']}: {_plan(row)}")
        rollout = self._client.start_rollout(model)["id"]
        ended = self._until(
            lambda: self._ended(rollout), lambda: self._progress(rollout), 420, f"rollout {rollout} finishes"
        )
        self._teller.say(f"rollout {rollout} {ended['state']}: {ended['reason']}")
        if ended["state"] != "finished":
            raise DemoFailed(f"rollout {rollout} {ended['state']}: {ended['reason']}")

    def _observe(self) -> dict[str, Observed]:
        """Wait until every device that runs something has enough new windows of it."""
        self._teller.say(f"watching {_OBSERVED_WINDOWS} windows of {WINDOW_S:g} s of every device")
        since = time.time()
        enough = self._until(lambda: self._observed(since), lambda: "watching", 60, "windows arrive")
        return {each.profile.device: each for each in enough}

    def _warm(self, ambient_celsius: float) -> Row:
        warm(self._stage, WARMED_DEVICE, ambient_celsius)
        return self._until(self._incident_ended, self._incident_status, 240, "the incident comes to an end")

    # --- what is looked at -------------------------------------------------------------------------------------------

    @property
    def _model_folder(self) -> Path:
        return self._stage.root / "model"

    @property
    def _all(self) -> list[Profile]:
        return [profile for profile, _ in self._profiles]

    def _until(self, look: Callable[[], T | None], status: Callable[[], str], limit_s: float, what: str) -> T:
        """As the teller does it, and not longer than every process lives."""

        def living() -> T | None:
            for name in self._processes.dead():
                raise DemoFailed(f"{name} has ended:\n{self._processes.tail(name)}")
            return look()

        return self._teller.until(living, status, limit_s, what)

    def _healthy(self) -> Row | None:
        try:
            return self._client.health()
        except ClientError:
            return None

    def _dense(self, ref: str) -> Row | None:
        for job in self._client.jobs():
            if job["state"] == "failed":
                raise DemoFailed(f"the dense model: {job['detail']}")
        return next((row for row in self._client.variants(ref) if row["dense"]), None)

    def _jobs(self) -> str:
        running = [
            f"{_caps(job)}: {job['detail'] or 'starting'}" for job in self._client.jobs() if job["state"] == "running"
        ]
        return "; ".join(running)

    def _all_announced(self) -> bool | None:
        known = {row["id"] for row in self._client.devices() if row["online"]}
        return True if known >= {profile.device for profile in self._all} else None

    def _announced(self) -> str:
        return f"{sum(row['online'] for row in self._client.devices())} of {len(self._all)} agents connected"

    def _note_what_runs(self) -> None:
        self._ran |= {row["sha256"] for row in self._client.devices()} - {None}

    def _ended(self, rollout: str) -> Row | None:
        self._note_what_runs()
        row = self._client.rollout(rollout)
        return None if row["state"] == "running" else row

    def _progress(self, rollout: str) -> str:
        row = self._client.rollout(rollout)
        standings = ", ".join(f"{count} {standing}" for standing, count in sorted(row["devices_by_standing"].items()))
        jobs = self._jobs()
        return f"wave {row['wave'] + 1} of {len(row['waves'])}: {standings}" + (f" | pruning to {jobs}" if jobs else "")

    def _observed(self, since_unix_s: float) -> list[Observed] | None:
        seen = [self._look_at(profile, since_unix_s) for profile in self._all]
        enough = all(len(each.windows) == _OBSERVED_WINDOWS for each in seen if each.row["feasible"])
        return seen if enough else None

    def _look_at(self, profile: Profile, since_unix_s: float) -> Observed:
        row = self._client.device(profile.device)
        rows = self._client.telemetry(profile.device, _OBSERVED_WINDOWS)
        new = [each for each in rows if each["sha256"] == row["sha256"] and each["received_unix_s"] > since_unix_s]
        windows = [msgspec.convert(each, Window) for each in new]
        return Observed(profile, row, windows)

    def _incident_ended(self) -> Row | None:
        self._note_what_runs()
        found = self._client.incidents(WARMED_DEVICE)
        return found[0] if found and found[0]["closed_unix_s"] is not None else None

    def _incident_status(self) -> str:
        row = self._client.device(WARMED_DEVICE)
        found = self._client.incidents(WARMED_DEVICE)
        heat = f"{WARMED_DEVICE} at {row['temperature_celsius'] or 0:.0f} C of {row['temperature_limit_celsius']:.0f} C"
        story = f" | incident {found[0]['state']}: {found[0]['diagnosis'] or found[0]['evidence']}" if found else ""
        jobs = self._jobs()
        return heat + story + (f" | pruning to {jobs}" if jobs else "")


def too_warm(seen: Observed) -> float:
    """The surroundings in which the device may only take a share of the latency it takes: it will breach its limit."""
    thermal, power = seen.profile.thermal, seen.profile.power
    assert thermal is not None
    assert power is not None
    latency_s = median(window.latency_p95_ms or 0.0 for window in seen.windows) * 1e-3 * _ROOM_LEFT
    watts = power.idle_watts + seen.profile.rate_hz * latency_s * (power.busy_watts - power.idle_watts)
    ceiling = thermal.limit_celsius - thermal.guard_celsius
    return ceiling - thermal.resistance_celsius_per_watt * watts


def _told(lines: Iterable[str], teller: Teller) -> Iterator[str]:
    for line in lines:
        teller.say(line.rstrip())
        yield line


def _caps(job: Row) -> str:
    caps = [
        f"{job['latency_cap_ms']:.2f} ms" if job["latency_cap_ms"] is not None else "",
        f"{job['ram_cap_bytes'] / 2**20:.2f} MiB" if job["ram_cap_bytes"] is not None else "",
        f"{job['storage_cap_bytes'] / 2**20:.2f} MiB stored" if job["storage_cap_bytes"] is not None else "",
    ]
    return ", ".join(filter(None, caps)) or "the dense model"


def _plan(row: Row) -> str:
    if not row["feasible"]:
        return f"infeasible: {row['reason']}"
    if row["prune_needed"]:
        return f"prune needed, bound by {row['binding']}"
    return f"variant {row['variant']}, bound by {row['binding']}"
