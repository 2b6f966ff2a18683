"""A device of physics instead of hardware: the real `agent.step` over a modelled runtime, under a virtual clock.

One process can run thousands. Nothing happens but in `advance` and `hear`; the same calls give the same messages.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

import msgspec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from agent import __version__
from agent.link import Arrived, Connected, Delivered, Disconnected, Link, LinkEvent
from agent.sensed import Reading, summarise
from agent.simulate import physics, runtime
from agent.simulate.declared import body_of, declared_ambient_celsius
from agent.simulate.durable import Durable, Pool
from agent.simulate.perform import Hands, perform
from agent.step import Event, Setup, State, effects, events, step
from agent.step.heard import Envelope, understand
from agent.wire.errors import WireError
from agent.wire.messages import Status, encode
from agent.wire.profile import parse_profile
from agent.wire.signing import verify
from agent.wire.topics import Leaf, topic

THROTTLED_SPEED = 0.6
FREQUENCY_HZ = 1.5e9

Connect = Callable[[str, tuple[str, bytes]], Link]
"""(client id, last will) -> a link that is not started yet, as `MemoryBroker.link` and `MqttLink` make it."""


class SimDevice:
    """A simulated device; it boots on construction and answers from the first `advance` on.

    `cost` is the artifact's cost on the reference host, on which this device is `slowness` times as slow. `body` is
    what the device is really made of; without one it is what the profile declares. Devices may share a `pool`. The
    public attributes in the first block may be changed at any time: that is how a story warms the surroundings or
    starves a device.
    """

    def __init__(
        self,
        *,
        profile: str,
        verify_key: Ed25519PublicKey,
        connect: Connect,
        cost: runtime.Cost,
        ram_base_bytes: int = 48 * 2**20,
        slowness: float | None = None,
        body: physics.Body | None = None,
        ambient_celsius: float | None = None,
        battery_percent: float = 100.0,
        throttle_at_celsius: float | None = None,
        window_s: float = 30.0,
        trial_s: float = 3.0,
        spool_limit: int = 1000,
        runtimes: tuple[str, ...] = ("onnxruntime",),
        pool: Pool | None = None,
        wall_offset_s: float = 0.0,
        now_s: float = 0.0,
    ) -> None:
        declared = parse_profile(profile)
        self.slowness = slowness if slowness is not None else 1 / declared.speed
        self.ambient_celsius = ambient_celsius if ambient_celsius is not None else declared_ambient_celsius(declared)
        self.ram_extra_bytes = 0
        self.power_sensor = True
        self.wall_offset_s = wall_offset_s
        self.cost = cost

        self.id = declared.device
        self.body = body or body_of(declared)
        self.condition = physics.at_rest(self.body, self.ambient_celsius, battery_percent)
        self.durable = Durable(spool_limit=spool_limit, pool=pool or Pool())
        self.log: deque[tuple[float, effects.Note]] = deque(maxlen=1000)
        self._profile, self._declared, self._runtimes = profile, declared, runtimes
        self._key, self._connect, self._ram_base_bytes = verify_key, connect, ram_base_bytes
        self._throttle_at_celsius, self._window_s, self._trial_s = throttle_at_celsius, window_s, trial_s
        self._boots = 0
        self.restart(now_s)

    # --- what a story asks -----------------------------------------------------------------------------------------

    @property
    def running(self) -> str | None:
        """The sha256 that serves right now."""
        worker = self.state.active
        return worker.sha256 if self.alive and worker is not None and worker.serving else None

    @property
    def throttled(self) -> bool:
        limit = self._throttle_at_celsius
        return limit is not None and self.condition.temperature_celsius >= limit

    def load(self, sha256: str) -> runtime.Load | None:
        """What `sha256` costs here and now; None where it does not load, or where that is not known yet."""
        try:
            cost = self.cost(sha256)
        except KeyError:
            return None
        if cost is None:
            return None
        ram_bytes, latency_s = cost
        slow = self.slowness / (THROTTLED_SPEED if self.throttled else 1.0)
        return runtime.Load(
            ram_base_bytes=self._ram_base_bytes,
            ram_bytes=ram_bytes + self.ram_extra_bytes,
            latency_s=latency_s * slow,
        )

    # --- what a story does -----------------------------------------------------------------------------------------

    def restart(self, now_s: float) -> None:
        """Boot with what is durable; a device that still runs is killed first."""
        if self._boots:
            self.kill()
        self._boots += 1
        boot = f"{self.id}-{self._boots}"
        self.state = State(setup=self._setup(boot), record=self.durable.record)
        self.alive = True
        self._now_s = now_s
        self._inbox: deque[LinkEvent] = deque()
        self._readings: list[Reading] = []
        self._hands = self._new_hands(boot)
        self._link.start(self._inbox.append)
        self._feed(events.Started(now_s=now_s))

    def kill(self) -> None:
        """Power off: no goodbye, only what is durable stays."""
        if not self.alive:
            return
        self.alive = False
        self._link.drop()

    def stop(self) -> None:
        """End as an agent that is told to: its status says so, and the link ends with a goodbye."""
        if self.alive:
            self._feed(events.Stopping(now_s=self._now_s))
            self.alive = False
            self._link.stop()

    def worker_dies(self, detail: str = "killed by the story") -> None:
        """The serving worker is gone, as after a crash or the kernel's out-of-memory killer."""
        if self.state.active is not None:
            self._workers.pop(self.state.active.id, None)
            self._feed(events.WorkerDied(now_s=self._now_s, worker=self.state.active.id, detail=detail))

    def advance(self, now_s: float) -> None:
        """Live until `now_s`: heat and charge, trials and windows that are due, what the link brought, a tick.

        An empty battery kills.
        """
        if not self.alive:
            return
        self._age(now_s - self._now_s)
        self._now_s = now_s
        if self.condition.charge_watt_hours == 0.0:
            self.kill()
            return
        self._work()
        self.hear()
        self._feed(events.Tick(now_s=now_s))

    def hear(self) -> None:
        """Take in what the link brought since, without letting time pass."""
        while self.alive and self._inbox:
            self._hear(self._inbox.popleft())

    # --- inside ----------------------------------------------------------------------------------------------------

    @property
    def _link(self) -> Link:
        return self._hands.link

    @property
    def _workers(self) -> dict[int, runtime.SimWorker]:
        return self._hands.workers

    def _new_hands(self, boot: str) -> Hands:
        will = Status(device=self.id, online=False, boot=boot)
        return Hands(
            device=self.id,
            boot=boot,
            link=self._connect(self.id, (topic(self.id, Leaf.STATUS), encode(will))),
            durable=self.durable,
            workers={},
            answers=deque(),
            log=self.log,
            window_s=self._window_s,
            trial_s=self._trial_s,
            booted_s=self._now_s,
        )

    def _setup(self, boot: str) -> Setup:
        power = self._declared.power
        return Setup(
            device=self.id,
            boot=boot,
            agent_version=__version__,
            architecture="simulated",
            runtimes=self._runtimes,
            profile=self._profile,
            storage_bytes=self._declared.storage_bytes,
            power_idle_watts=power.idle_watts if power else None,
            power_busy_watts=power.busy_watts if power else None,
            sensors_emulated=True,
            window_s=self._window_s,
        )

    def _age(self, dt_s: float) -> None:
        duty = max((self._duty(worker) for worker in self._workers.values()), default=0.0)
        self.condition = physics.advance(
            self.body, self.condition, duty=duty, ambient_celsius=self.ambient_celsius, dt_s=dt_s
        )
        self._readings.append(self._read(duty))

    def _duty(self, worker: runtime.SimWorker) -> float:
        load = self.load(worker.assignment.sha256)
        if load is None:
            return 0.0
        return load.duty(worker.assignment.rate_hz) if worker.serving else 1.0

    def _read(self, duty: float) -> Reading:
        percent = physics.battery_percent(self.body, self.condition)
        return Reading(
            temperature_celsius=self.condition.temperature_celsius,
            power_watts=physics.power_watts(self.body, duty) if self.power_sensor else None,
            battery_percent=percent,
            battery_discharging=None if percent is None else True,
            frequency_hz=FREQUENCY_HZ * (THROTTLED_SPEED if self.throttled else 1.0),
            frequency_ceiling_hz=FREQUENCY_HZ * (THROTTLED_SPEED if self.throttled else 1.0),
            frequency_highest_hz=FREQUENCY_HZ,
        )

    def _work(self) -> None:
        for worker in list(self._workers.values()):
            while worker.id in self._workers and worker.due_s <= self._now_s:
                if worker.serving:
                    self._close_window(worker)
                else:
                    self._judge(worker)
                    break

    def _judge(self, worker: runtime.SimWorker) -> None:
        if self._is_measuring(worker.assignment.sha256):
            worker.due_s = self._now_s + self._trial_s
            return
        worker.due_s = float("inf")
        load = self.load(worker.assignment.sha256)
        verdict = runtime.trial(worker.assignment, load, judged=worker.judged)
        if load is not None:
            reading = self._read(1.0)
            verdict = msgspec.structs.replace(
                verdict, frequency_hz=reading.frequency_hz, throttled_share=float(self.throttled)
            )
        self._feed(events.TrialDone(now_s=self._now_s, worker=worker.id, trial=verdict))

    def _is_measuring(self, sha256: str) -> bool:
        try:
            return self.cost(sha256) is None
        except KeyError:
            return False

    def _close_window(self, worker: runtime.SimWorker) -> None:
        ended_s, worker.due_s = worker.due_s, worker.due_s + self._window_s
        load = self.load(worker.assignment.sha256)
        if load is None:
            return
        sensed = summarise(self._readings)
        self._readings = self._readings[-1:]
        self._feed(
            events.WindowClosed(
                now_s=self._now_s,
                worker=worker.id,
                line=runtime.window(worker.assignment, load, self._window_s),
                sensed=sensed,
                wall_unix_s=ended_s + self.wall_offset_s,
                steady_s=ended_s - self._hands.booted_s,
            )
        )

    def _hear(self, event: LinkEvent) -> None:
        match event:
            case Connected():
                self._feed(events.LinkUp(now_s=self._now_s))
            case Disconnected(reason):
                self._feed(events.LinkDown(now_s=self._now_s, reason=reason))
            case Arrived(where, payload):
                self._arrived(where, payload)
            case Delivered():
                pass

    def _arrived(self, where: str, payload: bytes) -> None:
        try:
            heard = understand(self.id, where, payload, self._now_s)
        except WireError as error:
            self.log.append((self._now_s, effects.Note("not_understood", {"topic": where, "reason": str(error)})))
            return
        if isinstance(heard, Envelope):
            self._feed(self._verified(heard.payload))
        elif heard is not None:
            self._feed(heard)

    def _verified(self, payload: bytes) -> Event:
        try:
            assignment = verify(payload, self._key)
        except WireError as error:
            return events.DesiredRefused(now_s=self._now_s, reason=str(error))
        wall_unix_s = self._now_s + self.wall_offset_s
        return events.DesiredArrived(now_s=self._now_s, assignment=assignment, wall_unix_s=wall_unix_s)

    def _feed(self, event: Event) -> None:
        answers = self._hands.answers
        answers.append(event)
        while answers:
            self.state, todo = step(self.state, answers.popleft())
            for effect in todo:
                perform(self._hands, effect, self._now_s)
