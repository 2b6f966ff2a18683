"""Many simulated devices over real connections, in real time: one thread turns their links and lets them live."""

from __future__ import annotations

import random
import time
from collections import Counter, deque
from collections.abc import Sequence
from dataclasses import dataclass

import yaml
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from agent.pump import Pump
from agent.simulate.costs import Costs, trial_cost
from agent.simulate.device import SimDevice
from agent.simulate.durable import Pool
from agent.simulate.network import Network
from agent.simulate.surroundings import Surroundings
from agent.step.report import reported
from agent.wire.topics import device_id

TICK_S = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What to simulate. `profiles` are YAML texts that the devices take in turn, each under a name of its own.

    `loss` and `cut_s` are as in `Network`; the same `seed` draws the same devices.
    """

    count: int
    profiles: Sequence[str]
    host: str
    port: int
    trusted_key: bytes
    prefix: str = "sim"
    surroundings: Surroundings
    loss: float = 0.0
    cut_s: float | None = None
    window_s: float = 30.0
    seed: int = 0


@dataclass(frozen=True, slots=True)
class Tally:
    """How the fleet is doing: devices that are connected, by phase and by result."""

    devices: int
    alive: int
    connected: int
    phases: Counter[str]
    results: Counter[str]

    def __str__(self) -> str:
        phases = ", ".join(f"{count} {phase}" for phase, count in sorted(self.phases.items()))
        results = ", ".join(f"{count} {result}" for result, count in sorted(self.results.items()))
        dead = f", {self.devices - self.alive} out of charge" if self.alive < self.devices else ""
        return f"{self.connected} of {self.devices} connected{dead}; {phases}; {results or 'no assignment yet'}"


class Fleet:
    """Devices from a plan; they boot one after another within the first `TICK_S`."""

    def __init__(self, plan: Plan) -> None:
        self._pump = Pump()
        self._pool = Pool()
        self._costs = Costs(self._pool, trial_cost)
        self._dice = random.Random(plan.seed)
        self._network = Network(
            host=plan.host, port=plan.port, pump=self._pump, dice=self._dice, loss=plan.loss, cut_s=plan.cut_s
        )
        began_s = time.monotonic()
        self.devices = [self._device(plan, number) for number in range(plan.count)]
        step_s = TICK_S / plan.count
        self._due = deque((began_s + number * step_s, device) for number, device in enumerate(self.devices))

    def turn(self) -> None:
        """Move packets, hear what they brought, and let those live whose tick it is; at most until the next tick."""
        self._pump.turn(max(0.0, self._due[0][0] - time.monotonic()))
        for device in self.devices:
            device.hear()
        while self._due[0][0] <= (now_s := time.monotonic()):
            due_s, device = self._due.popleft()
            device.advance(now_s)
            self._due.append((max(due_s + TICK_S, now_s), device))

    def stop(self) -> None:
        """Every device says goodbye."""
        for device in self.devices:
            device.stop()
        self._costs.close()
        self._pump.close()

    def tally(self) -> Tally:
        alive = [each.state for each in self.devices if each.alive]
        said = [reported(state) for state in alive]
        return Tally(
            devices=len(self.devices),
            alive=len(alive),
            connected=sum(state.link_up for state in alive),
            phases=Counter(str(each.phase) for each in said),
            results=Counter(str(each.result) for each in said if each.result is not None),
        )

    def _device(self, plan: Plan, number: int) -> SimDevice:
        profile = named(plan.profiles[number % len(plan.profiles)], f"{plan.prefix}-{number:05}")
        drawn, now_s = plan.surroundings.draw(self._dice), time.monotonic()
        device = SimDevice(
            profile=profile,
            verify_key=Ed25519PublicKey.from_public_bytes(plan.trusted_key),
            connect=self._network.link,
            cost=self._costs,
            ambient_celsius=drawn.ambient_celsius,
            battery_percent=drawn.battery_percent,
            throttle_at_celsius=drawn.throttle_at_celsius,
            window_s=plan.window_s,
            pool=self._pool,
            wall_offset_s=time.time() - now_s,
            now_s=now_s,
        )
        device.slowness *= drawn.slowness
        return device


def named(profile: str, device: str) -> str:
    """The text of a valid profile for another device. Raises `WireError` for what is no device's id."""
    fields = yaml.load(profile, Loader=yaml.BaseLoader)  # every value is the text that was written
    text: str = yaml.safe_dump(fields | {"device": device_id(device)}, sort_keys=False, allow_unicode=True)
    return text
