"""The shell around `agent.step`: one queue of what happens, one thread that decides and does.

The link's thread and the workers' threads only put into the queue. Decisions are in `agent.step`, deeds in
`agent.perform`; none are here.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import logging
import os
import platform
import time
from collections import deque
from collections.abc import Mapping
from dataclasses import replace
from io import FileIO
from pathlib import Path
from typing import assert_never

from agent import __version__, runtimes
from agent.boots import boot_id, new_boot, steady_s
from agent.cgroup import open_cgroups
from agent.config import SYSFS, Config
from agent.doors import close_doors, open_doors
from agent.host import PROC, Host
from agent.inbox import Inbox
from agent.link import Arrived, Connected, Delivered, Disconnected, Link, LinkEvent
from agent.mqtt import MqttLink
from agent.observer import Observer
from agent.perform import Hands, Performer, quoted
from agent.runtimes import Runtimes
from agent.sensors import Sensors
from agent.slots import Slots
from agent.spool import Spool
from agent.statusfile import StatusFile
from agent.step import Event, Setup, State, effects, events, step
from agent.step.drain import STOPPING_S
from agent.step.heard import Envelope, understand
from agent.systemd import Systemd
from agent.verifier import Refused, Verdict, Verified, Verifier
from agent.wire.errors import Failure, WireError
from agent.wire.messages import Status, encode
from agent.wire.topics import Leaf, topic
from agent.wire.work import TrialLine, WindowLine
from agent.workers import Ended, Said, WorkerNews, Workers

TICK_S = 0.5
SAMPLE_S = 1.0

_log = logging.getLogger("agent")


class AlreadyRunning(Exception):
    """Another agent holds the state directory."""


class Daemon:
    """One device. `run` returns after `stop`; everything but the threads that enqueue happens on its thread."""

    def __init__(self, config: Config, link: Link | None = None) -> None:
        """Take the state directory. Raises `AlreadyRunning`, `SlotsError` or `OSError` (`DoorError`)."""
        self._config = config
        config.state.mkdir(parents=True, exist_ok=True)
        self._lock = hold(config.state)
        sensors = Sensors(config.sysfs, time.monotonic, config.sensors)
        first = sensors.read()
        for quantity, fault in first.faults.items():
            _log.warning("event=sensor_not_there quantity=%s reason=%s", quantity, quoted(fault))
        setup = setup_of(config, boot=new_boot(boot_id()), sensors=first.sources)
        slots = Slots(config.state)
        self.state = State(setup=setup, record=slots.load())
        self._inbox = Inbox()
        self._answers: deque[Event] = deque()
        self._link = link or mqtt_link(config, setup)
        self._door_path = config.socket or config.state / "inference.sock"
        self._doors = open_doors(config.http, self._door_path)
        self._workers = Workers(self._inbox.put, self._doors, open_cgroups())
        self._verifier = Verifier(config.trusted_key, self._inbox.put)
        self._spool = Spool(config.state / "spool.sqlite", config.spool_limit)
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
        stands_for_another = setup.sensors_emulated or setup.gflops is not None
        host = Host(None if stands_for_another else PROC, time.monotonic)
        self._observer = Observer(sensors, host, time.monotonic)
        self._stopping = False
        self._systemd = Systemd(os.environ, os.getpid())
        self._tick_s = self._sample_s = time.monotonic()
        self._status = StatusFile(config.state / "status.json")
        self._busy_s = 0.0

    def stop(self) -> None:
        """End soon; callable from any thread and from a signal handler."""
        self._stopping = True
        self._inbox.put(None)

    def run(self) -> None:
        try:
            self._feed(events.Started(now_s=time.monotonic()))
            runtimes.find(self._config.state / "runtimes.json", self._inbox.put)
            self._systemd.ready()
            while not self._stopping:
                self._wait()
            self._systemd.stopping()
            self._feed(events.Stopping(now_s=time.monotonic()))
            self._workers.close(STOPPING_S)
            self._hear_out()
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
        news = self._inbox.take(wait_s)
        if isinstance(news, Said | Ended):
            self._from_worker(news)
        elif isinstance(news, Runtimes):
            self._connect(news)
        elif news is not None:
            self._from_outside(news)
        if time.monotonic() >= self._tick_s:
            self._tick()

    def _connect(self, found: Runtimes) -> None:
        """Only now: what it says of itself first is true, and no assignment is refused for a runtime not tried yet."""
        for name, wrong in found.broken.items():
            _log.error("event=runtime_broken runtime=%s reason=%s", name, quoted(wrong))
        setup = replace(self.state.setup, runtimes=found.working, broken_runtimes=found.broken)
        self.state = replace(self.state, setup=setup)
        self._link.start(self._inbox.hear)

    def _tick(self) -> None:
        now_s = time.monotonic()
        self._tick_s = now_s + TICK_S
        if now_s >= self._sample_s:
            self._sample_s = now_s + SAMPLE_S
            self._observer.sample()
        self._workers.tick(now_s)
        self._performer.tick()
        self._feed(events.Tick(now_s=now_s))
        self._status.tell(self.state, self._busy_s)
        self._systemd.alive(now_s, f"{self.state.phase}, {'connected' if self.state.link_up else 'not connected'}")

    def _hear_out(self) -> None:
        """What the workers said at their end: of all else that waits nothing is begun any more."""
        for news in self._inbox.rest():
            if isinstance(news, Said | Ended):
                self._from_worker(news)

    def _from_outside(self, news: LinkEvent | Verdict) -> None:
        """What nobody foresaw in it is passed over: a message that is retained would end every start from now on."""
        try:
            self._translate(news, time.monotonic())
        except Exception:
            _log.exception("event=unforeseen news=%s", type(news).__name__)

    def _translate(self, news: LinkEvent | Verdict, now_s: float) -> None:
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

    def _from_worker(self, news: WorkerNews) -> None:
        now_s = time.monotonic()
        match news:
            case Said(worker, line):
                self._said(worker, line, now_s)
            case Ended(worker, detail, out_of_memory):
                self._workers.forget(worker)
                self._observer.ended(worker)
                failure = Failure.MEMORY if out_of_memory else Failure.CRASHED
                self._feed(events.WorkerDied(now_s=now_s, worker=worker, detail=detail, failure=failure))
            case _:
                assert_never(news)

    def _said(self, worker: int, line: TrialLine | WindowLine, now_s: float) -> None:
        if isinstance(line, TrialLine):
            trial = self._observer.tried(worker, line.trial)
            self._feed(events.TrialDone(now_s=now_s, worker=worker, trial=trial))
            return
        self._busy_s += line.busy_s
        sensed = self._observer.window()
        self._feed(
            events.WindowClosed(
                now_s=now_s, worker=worker, line=line, sensed=sensed, wall_unix_s=time.time(), steady_s=steady_s()
            )
        )

    def _feed(self, event: Event) -> None:
        """Decide and do; what the effects answer is decided on next."""
        self._answers.append(event)
        while self._answers:
            self.state, todo = step(self.state, self._answers.popleft())
            for effect in todo:
                if isinstance(effect, effects.StartWorker):
                    self._observer.begins(effect.worker)
                self._performer.perform(effect)


def hold(state: Path) -> FileIO:
    """Lock the state directory until the file is closed or the process ends. Raises `AlreadyRunning` or `OSError`."""
    path = state / "agent.lock"
    try:
        file = path.open("ab+", buffering=0)
    except OSError as error:
        if error.errno != errno.EROFS:
            raise
        file = path.open("rb", buffering=0)  # a card that failed is mounted so; what it holds can be run
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        file.seek(0)
        pid = file.read().decode().strip() or "unknown"
        file.close()
        raise AlreadyRunning(f"{state} is in use by the agent with process id {pid}") from None
    with contextlib.suppress(OSError):  # who holds it is only told
        file.truncate(0)
        file.write(b"%d\n" % os.getpid())
    return file


def setup_of(config: Config, boot: str, sensors: Mapping[str, str]) -> Setup:
    power = config.profile.power
    return Setup(
        device=config.profile.device,
        boot=boot,
        agent_version=__version__,
        architecture=platform.machine(),
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
