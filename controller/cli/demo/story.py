"""The demo's story, told by the API alone: what it shows is what any client would see."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeVar

from agent.wire.profile import Profile
from agent.worker.ask import TrialError
from controller.cli.demo import stage as scenery
from controller.cli.demo.lookout import OBSERVED_WINDOWS, Lookout
from controller.cli.demo.processes import Processes
from controller.cli.demo.scenes import Observed, Scenes
from controller.cli.demo.stage import DENSE_ON_DEVICE_S, WINDOW_S, Pace, Stage
from controller.cli.demo.summer import WARMED_DEVICE, too_warm
from controller.cli.demo.teller import DemoFailed, Teller
from controller.cli.demo.verdict import within_budget
from controller.cli.demo.words import incident_line, jobs_after, jobs_line, plan_line, rollout_line, windows_line
from controller.client import Client, Row

T = TypeVar("T")
CHAPTERS = 5
# How long a step may take on a host that has other things to do.
_START_LIMIT_S, _TRAIN_LIMIT_S, _MEASURE_LIMIT_S = 90, 900, 600
_ROLLOUT_LIMIT_S, _WATCH_LIMIT_S, _INCIDENT_LIMIT_S, _REPAIR_LIMIT_S = 1800, 120, 1900, 400


class Story:
    def __init__(self, stage: Stage, processes: Processes, teller: Teller, cache: Path) -> None:
        self._stage, self._processes, self._teller, self._cache = stage, processes, teller, cache
        self._profiles = scenery.demo_profiles()
        self._client = Client(stage.api)
        self._lookout = Lookout(self._client)

    def play(self) -> Scenes:
        tell = self._teller
        tell.chapter("One trained model: seven exercises from a smartwatch's motion sensors")
        self._train()
        tell.chapter("A controller, and the dense model as measured here")
        model, dense = self._start_controller()
        pace = self._pace(dense)
        tell.chapter(
            f"{len(self._profiles)} devices register, each its own process, this host slowed down to "
            f"{pace.gflops:.2f} GFLOP/s: {DENSE_ON_DEVICE_S * 1e3:.0f} ms for the dense model"
        )
        self._start_devices(pace)
        tell.chapter("One rollout to all: what fits goes out at once; what fits nowhere is pruned, tried, served")
        rollout = self._begin_rollout(model)
        [before] = self._observe([profile for profile in self._all if profile.device == WARMED_DEVICE])
        tell.chapter(f"Meanwhile the surroundings of {WARMED_DEVICE} warm up")
        incident = self._summer(before)
        self._finish_rollout(rollout)
        after = {each.profile.device: each for each in self._settled()}
        variants = {row["sha256"]: row for row in self._client.variants(model)}
        ran, prunes = frozenset(self._lookout.ran), self._lookout.prunes()
        return Scenes(after, variants, ran, prunes, incident, pace.gflops, tell.elapsed_s)

    # --- the scenes --------------------------------------------------------------------------------------------------

    def _train(self) -> None:
        """In a process of its own, so that the demo itself never loads torch."""
        self._processes.start("training", "controller.zoo", [str(self._cache), str(self._model_folder)])
        code = self._teller.until(
            lambda: self._processes.ended("training"),
            lambda: self._processes.tail("training", 1) or "loading torch and the recordings",
            _TRAIN_LIMIT_S,
            "the model is trained",
        )
        if code:
            raise DemoFailed(f"the model could not be prepared: {self._processes.tail('training', 1)}")
        self._teller.say(self._processes.tail("training", 1))

    def _start_controller(self) -> tuple[str, Row]:
        stage = self._stage
        self._processes.start(
            "controller",
            "controller.cli",
            ["serve", "--state", str(stage.controller_state), "--http", f"127.0.0.1:{stage.http_port}",
             "--broker", f"embedded:127.0.0.1:{stage.broker_port}"],
        )  # fmt: skip
        self._until(self._lookout.healthy, lambda: "waiting for it", _START_LIMIT_S, "the controller starts")
        self._teller.say(f"dashboard and API: {stage.api}")
        ref: str = self._client.add_model(str(self._model_folder / "model.yaml"))["ref"]
        dense = self._until(
            lambda: self._lookout.dense(ref),
            lambda: jobs_line(self._client.jobs()) or "waiting for the job to start",
            _MEASURE_LIMIT_S,
            "the dense model is measured",
        )
        return ref, dense

    def _pace(self, dense: Row) -> Pace:
        try:
            return scenery.paced(self._stage, dense, self._teller.say)
        except TrialError as error:
            raise DemoFailed(f"the dense model on an emulated device: {error}") from None

    def _start_devices(self, pace: Pace) -> None:
        replay, wanted = self._model_folder / "replay.npy", {profile.device for profile in self._all}
        for profile, text in self._profiles:
            scenery.set_device(self._stage, profile, text, pace, replay)
        spec = scenery.physics_spec(self._stage, self._all)
        self._processes.start("physics", "agent.simulate.sysfs", ["--spec", str(spec)])
        for device in sorted(wanted):
            home = self._stage.device(device)
            self._processes.start(device, "agent.cli", ["run", "-c", str(home / "agent.yaml")])
        self._until(
            lambda: True if self._lookout.online() >= wanted else None,
            lambda: "not connected yet: " + ", ".join(sorted(wanted - self._lookout.online())),
            _START_LIMIT_S,
            "every agent announces itself",
        )
        for row in self._client.devices():
            self._teller.say(f"{row['id']} announced itself and is {row['state']}; accepted")
            self._client.accept_device(row["id"])

    def _summer(self, before: Observed) -> Row:
        """The incident, while the fleet's first prune is under way: until then nothing else fits the warmed device."""
        ambient_celsius = too_warm(before, min(each.deadline_s or DENSE_ON_DEVICE_S for each in self._all))
        self._teller.say(f"the surroundings of {WARMED_DEVICE} warm up to {ambient_celsius:.1f} C")
        since = time.time()
        scenery.warm(self._stage, WARMED_DEVICE, ambient_celsius)
        return self._until(
            lambda: self._lookout.incident_ended(WARMED_DEVICE, since),
            lambda: self._incident_line(since),
            _INCIDENT_LIMIT_S,
            "the incident comes to an end",
        )

    def _begin_rollout(self, model: str) -> str:
        for row in self._client.plan(model):
            self._teller.say(f"plan: {row['device']}: {plan_line(row)}")
        rollout: str = self._client.start_rollout(model)["id"]
        return rollout

    def _finish_rollout(self, rollout: str) -> None:
        ended = self._until(
            lambda: self._lookout.rollout_ended(rollout),
            lambda: rollout_line(self._client.rollout(rollout), self._client.members(rollout), self._client.jobs()),
            _ROLLOUT_LIMIT_S,
            f"rollout {rollout} finishes",
        )
        self._teller.say(f"rollout {rollout} {ended['state']}: {ended['reason']}")
        if ended["state"] != "finished":
            raise DemoFailed(f"rollout {rollout} {ended['state']}: {ended['reason']}")

    def _observe(self, profiles: Sequence[Profile]) -> list[Observed]:
        """Wait until the newest windows of every device that is to run something are all of what it runs."""
        return self._until(
            lambda: self._lookout.observed(profiles),
            lambda: windows_line([self._lookout.look_at(profile) for profile in profiles], OBSERVED_WINDOWS, WINDOW_S),
            _WATCH_LIMIT_S,
            "windows arrive",
        )

    def _settled(self) -> list[Observed]:
        """The fleet once the loop has nothing left to repair, or as it is after so long.

        A variant that passed its trial closely may be outside its budget in service: a breach like any other.
        """
        given_up, seen = time.monotonic() + _REPAIR_LIMIT_S, self._observe(self._all)
        while (outside := _outside(seen)) and time.monotonic() < given_up:
            self._next_window(seen, ", ".join(outside))
            seen = self._observe(self._all)
        return seen

    def _next_window(self, seen: Sequence[Observed], outside: str) -> None:
        self._until(
            lambda: True if self._lookout.observed_anew(seen) else None,
            lambda: f"outside the budget, left to the controller: {outside}" + jobs_after(self._client.jobs()),
            _WATCH_LIMIT_S,
            "further windows arrive",
        )

    # --- what is waited for ------------------------------------------------------------------------------------------

    @property
    def _model_folder(self) -> Path:
        return self._stage.root / "model"

    @property
    def _all(self) -> list[Profile]:
        return [profile for profile, _ in self._profiles]

    def _incident_line(self, since_unix_s: float) -> str:
        device, incident = self._client.device(WARMED_DEVICE), self._lookout.incident(WARMED_DEVICE, since_unix_s)
        return incident_line(device, incident, self._client.jobs())

    def _until(self, look: Callable[[], T | None], status: Callable[[], str], limit_s: float, what: str) -> T:
        """As the teller does it, and not longer than every process lives."""

        def living() -> T | None:
            for name in self._processes.dead():
                raise DemoFailed(f"{name} has ended:\n{self._processes.tail(name)}")
            return look()

        return self._teller.until(living, status, limit_s, what)


def _outside(seen: Sequence[Observed]) -> list[str]:
    """The devices that run something outside their measured budgets."""
    return [each.profile.device for each in seen if each.row["feasible"] and not within_budget(each)]
