"""The shell around `agent.step`: one queue of what happens, one thread that decides and does.

The link's thread and the workers' threads only put into the queue. Decisions are in `agent.step`, deeds in
`agent.perform`; none are here.
"""

from __future__ import annotations

import fcntl
import importlib.util
import logging
import os
import platform
import queue
import time
import uuid
from collections import deque
from collections.abc import Mapping
from pathlib import Path
from typing import IO, assert_never

import msgspec

from agent import __version__
from agent.cgroup import open_cgroups
from agent.config import SYSFS, Config
from agent.doors import close_doors, open_doors
from agent.link import Arrived, Connected, Delivered, Disconnected, Link, LinkEvent
from agent.mqtt import MqttLink
from agent.perform import Hands, Performer, quoted
from agent.sensed import Reading, summarise
from agent.sensors import Sensors
from agent.slots import Slots, replace_atomically
from agent.spool import open_spool
from agent.step import Event, Setup, State, events, step
from agent.step.heard import Envelope, understand
from agent.step.report import info, reported
from agent.systemd import Systemd
from agent.verifier import Refused, Verdict, Verified, Verifier
from agent.wire.errors import Failure, WireError
from agent.wire.messages import Status, encode
from agent.wire.profile import RUNTIMES
from agent.wire.topics import Leaf, topic
from agent.wire.work import TrialLine
from agent.workers import Ended, Said, WorkerNews, Workers

TICK_S = 0.5
SAMPLE_S = 1.0
KEPT_READINGS = 1000

_log = logging.getLogger("agent")


class AlreadyRunning(Exception):
    """Another agent holds the state directory."""


class StatusFile(msgspec.Struct, frozen=True, kw_only=True):
    """`status.json`, for `agent status` and for the physics of a demo. `busy_s_total` counts from the agent's start."""

    pid: int
    device: str
    phase: str
    seq: int
    sha256: str | None
    connected: bool
    busy_s_total: float
    uptime_s: float
    emulated: str | None


class Daemon:
    """One device. `run` returns after `stop`; everything but the threads that enqueue happens on its thread."""

    def __init__(self, config: Config, link: Link | None = None) -> None:
        """Take the state directory. Raises `AlreadyRunning`, `SlotsError` or `OSError` (`DoorError`)."""
        self._config = config
        config.state.mkdir(parents=True, exist_ok=True)
        self._lock = hold(config.state)
        self._sensors = Sensors(config.sysfs, time.monotonic)
        setup = setup_of(config, boot=uuid.uuid4().hex, sensors=self._sensors.read().sources)
        slots = Slots(config.state)
        self.state = State(setup=setup, record=slots.load())
        self._queue: queue.SimpleQueue[LinkEvent | WorkerNews | Verdict | None] = queue.SimpleQueue()
        self._answers: deque[Event] = deque()
        self._link = link or mqtt_link(config, setup)
        self._door_path = config.socket or config.state / "inference.sock"
        self._doors = open_doors(config.http, self._door_path)
        self._workers = Workers(self._queue.put, self._doors, open_cgroups())
        self._verifier = Verifier(config.trusted_key, self._queue.put)
        self._spool = open_spool(config.state / "spool.sqlite", config.spool_limit)
        hands = Hands(
            config=config,
            boot=setup.boot,
            link=self._link,
            slots=slots,
            spool=self._spool,
            workers=self._workers,
            answer=self._answers.append,
        )
        self._performer = Performer(hands)
        self._readings: deque[Reading] = deque(maxlen=KEPT_READINGS)
        self._stopping = False
        self._systemd = Systemd(os.environ, os.getpid())
        self._began_s = self._tick_s = self._sample_s = time.monotonic()
        self._busy_s = 0.0

    def stop(self) -> None:
        """End soon; callable from any thread and from a signal handler."""
        self._stopping = True
        self._queue.put(None)

    def run(self) -> None:
        try:
            self._feed(events.Started(now_s=time.monotonic()))
            self._link.start(self._queue.put)
            self._systemd.ready()
            while not self._stopping:
                self._wait()
            self._systemd.stopping()
            self._feed(events.Stopping(now_s=time.monotonic()))
        finally:
            self._link.stop()
            self._verifier.close()
            self._workers.close()
            self._spool.close()
            close_doors(self._doors, self._door_path)
            self._lock.close()

    def _wait(self) -> None:
        """Take the next thing that happens, at most until the next tick."""
        wait_s = max(0.0, self._tick_s - time.monotonic())
        try:
            news = self._queue.get(block=wait_s > 0, timeout=wait_s)
        except queue.Empty:
            news = None
        if news is not None:
            self._translate(news)
        if time.monotonic() >= self._tick_s:
            self._tick()

    def _tick(self) -> None:
        now_s = time.monotonic()
        self._tick_s = now_s + TICK_S
        if now_s >= self._sample_s:
            self._sample_s = now_s + SAMPLE_S
            self._readings.append(self._sensors.read())
        self._workers.tick(now_s)
        self._performer.tick()
        self._feed(events.Tick(now_s=now_s))
        self._write_status(now_s)
        self._systemd.alive(now_s, f"{self.state.phase}, {'connected' if self.state.link_up else 'not connected'}")

    def _translate(self, news: LinkEvent | WorkerNews | Verdict) -> None:
        now_s = time.monotonic()
        match news:
            case Connected():
                self._feed(events.LinkUp(now_s=now_s))
            case Disconnected(reason):
                self._feed(events.LinkDown(now_s=now_s, reason=reason))
            case Arrived(where, payload):
                self._arrived(where, payload, now_s)
            case Delivered():
                pass
            case Verified(assignment):
                self._feed(events.DesiredArrived(now_s=now_s, assignment=assignment, wall_unix_s=time.time()))
            case Refused(reason):
                self._feed(events.DesiredRefused(now_s=now_s, reason=reason))
            case Said():
                self._said(news, now_s)
            case Ended(worker, detail, out_of_memory):
                self._workers.forget(worker)
                failure = Failure.MEMORY if out_of_memory else Failure.CRASHED
                self._feed(events.WorkerDied(now_s=now_s, worker=worker, detail=detail, failure=failure))
            case _:
                assert_never(news)

    def _arrived(self, where: str, payload: bytes, now_s: float) -> None:
        try:
            heard = understand(self._config.profile.device, where, payload, now_s)
        except WireError as error:
            _log.warning("event=not_understood reason=%s", quoted(error))
            return
        if isinstance(heard, Envelope):
            self._verifier.check(heard.payload)
        elif heard is not None:
            self._feed(heard)

    def _said(self, news: Said, now_s: float) -> None:
        line, worker = news.line, news.worker
        if isinstance(line, TrialLine):
            self._feed(events.TrialDone(now_s=now_s, worker=worker, trial=line.trial))
            return
        self._busy_s += line.busy_s
        self._readings.append(self._sensors.read())
        sensed = summarise(self._readings)
        self._readings.clear()
        self._feed(events.WindowClosed(now_s=now_s, worker=worker, line=line, sensed=sensed, wall_unix_s=time.time()))
        self._write_status(now_s)

    def _feed(self, event: Event) -> None:
        """Decide and do; what the effects answer is decided on next."""
        self._answers.append(event)
        while self._answers:
            self.state, effects = step(self.state, self._answers.popleft())
            for effect in effects:
                self._performer.perform(effect)

    def _write_status(self, now_s: float) -> None:
        said = reported(self.state)
        status = StatusFile(
            pid=os.getpid(),
            device=said.device,
            phase=said.phase,
            seq=said.seq,
            sha256=said.sha256,
            connected=self.state.link_up,
            busy_s_total=self._busy_s,
            uptime_s=now_s - self._began_s,
            emulated=info(self.state).emulated,
        )
        try:
            replace_atomically(self._config.state / "status.json", msgspec.json.encode(status))
        except OSError as error:
            _log.debug("event=status_not_written reason=%s", quoted(error))


def hold(state: Path) -> IO[str]:
    """Lock the state directory until the file is closed or the process ends. Raises `AlreadyRunning`."""
    file = (state / "agent.lock").open("a+", encoding="ascii")
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        file.seek(0)
        pid = file.read().strip() or "unknown"
        file.close()
        raise AlreadyRunning(f"{state} is in use by the agent with process id {pid}") from None
    file.truncate(0)
    file.write(f"{os.getpid()}\n")
    file.flush()
    return file


def setup_of(config: Config, boot: str, sensors: Mapping[str, str]) -> Setup:
    power = config.profile.power
    return Setup(
        device=config.profile.device,
        boot=boot,
        agent_version=__version__,
        architecture=platform.machine(),
        runtimes=tuple(each for each in RUNTIMES if importlib.util.find_spec(each) is not None),
        profile=config.profile_text,
        storage_bytes=config.profile.storage_bytes,
        power_idle_watts=power.idle_watts if power else None,
        power_busy_watts=power.busy_watts if power else None,
        gflops=config.gflops,
        sensors_emulated=config.sysfs != SYSFS,
        window_s=config.window_s,
        sensors=sensors,
    )


def mqtt_link(config: Config, setup: Setup) -> Link:
    """The device's link; its last will says that this boot went offline."""
    will = Status(device=setup.device, online=False, boot=setup.boot)
    return MqttLink(config.host, config.port, setup.device, will=(topic(setup.device, Leaf.STATUS), encode(will)))
