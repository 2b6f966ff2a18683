"""The composition root: the only place that chooses what is real, and that knows every room."""

from __future__ import annotations

import fcntl
import logging
import signal
import sys
import time
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from contextlib import AbstractContextManager
from pathlib import Path
from threading import Thread
from types import FrameType
from typing import IO, TypeVar

from agent.boots import boot_id, steady_s
from agent.clock import synchronised
from agent.mqtt import MqttLink
from controller.broker import ExternalBroker, broker_from
from controller.broker.limits import NoAnswerError, measure
from controller.config import settings
from controller.core.intents import Intent, IntentError
from controller.core.presence import Presence
from controller.core.selector import parse_selector
from controller.keys import signing_key
from controller.loop.changes import Changes
from controller.loop.clock import Clock
from controller.loop.daemon import Daemon
from controller.loop.facts import Stop
from controller.loop.fleet import Fleet
from controller.loop.jobs import ProcessJobs
from controller.loop.perform import Performer
from controller.loop.plan import Plan, planned
from controller.store.artifacts import Artifacts
from controller.store.emptied import ARTIFACTS, KEYS, why_emptied
from controller.store.store import Store
from controller.store.tx import Tx
from controller.web.app import create_app
from controller.web.server import WebServer

log = logging.getLogger("hedgerow")
T = TypeVar("T")
_ANSWER_S = 30.0
_CLIENT, _RECONNECT_S = "hedgerow-controller", 5.0  # a whole fleet waits for it
_SWITCH_S = 0.5e-3
"""The loop waits so long for a thread of the web that is busy, each time that it comes back from the disk."""


class AlreadyRunning(RuntimeError):
    """Another controller owns this state directory."""


class Port:
    """What the web may do: read what is committed, hand intents to the loop, ask what a rollout would do."""

    def __init__(self, store: Store, artifacts: Artifacts, daemon: Daemon, clock: Clock, warnings: list[str]) -> None:
        self._store, self._artifacts, self._daemon, self._clock = store, artifacts, daemon, clock
        self._warnings = warnings

    def read(self) -> AbstractContextManager[Tx]:
        return self._store.read()

    def submit(self, intent: Intent) -> str:
        return _answer_of(self._daemon.ask(intent))

    def look(self, look: Callable[[Fleet], T]) -> T:
        return _answer_of(self._daemon.look(look))

    @property
    def changes(self) -> Changes:
        return self._daemon.changes

    def figures(self) -> Mapping[str, int]:
        """While the fleet is still being read nobody is told that all is well."""
        if not self._daemon.figures:
            self.look(lambda _fleet: None)
        return self._daemon.figures

    def troubles(self) -> list[str]:
        return self._daemon.troubles

    def warnings(self) -> list[str]:
        return self._warnings

    def presence(self, device: str) -> Presence:
        return self._daemon.presence(device)

    def artifact(self, sha256: str) -> Path:
        return self._artifacts.path(sha256)

    def plan(self, model: str, selector: str) -> Plan:
        wanted, attempts = parse_selector(selector), self._daemon.policy.attempts
        return planned(self.look, model, wanted, attempts, self._clock.now())


def _answer_of(asked: Future[T]) -> T:
    try:
        return asked.result(_ANSWER_S)
    except TimeoutError:
        raise IntentError(504, f"the controller's loop gave no answer within {_ANSWER_S:.0f} s") from None


def serve(state: Path, broker: str | None, http: str | None, database: str | None) -> None:
    """Run a controller until SIGTERM or SIGINT.

    Raises `WireError`, `BrokerError`, `StoreError`, `AlreadyRunning` or OSError, all with a message for the operator.
    """
    sys.setswitchinterval(_SWITCH_S)
    config = settings(state, broker, http, database)
    config.state.mkdir(parents=True, exist_ok=True, mode=0o700)
    _log_to_stderr()
    lock = _lock(config.state)
    store = Store(config.database_url)
    store.claim()
    store.open()
    if (reason := why_emptied(store, config.state)) is not None:
        log.warning("event=empty_fleet reason=%r", reason)
    key = signing_key(config.state / KEYS)
    running_broker = broker_from(config.broker, config.state)
    running_broker.start()
    artifacts = Artifacts(config.state / ARTIFACTS)
    artifacts.sweep()
    clock = _clock(store)
    jobs = ProcessJobs(config.state / ARTIFACTS, config.threads)
    daemon = Daemon(
        store=store,
        artifacts=artifacts,
        link=MqttLink(running_broker.host, running_broker.port, _CLIENT, manual_ack=True, backoff_max_s=_RECONNECT_S),
        jobs=jobs,
        performer=Performer(key, _epoch(store), artifacts),
        policy=config.policy,
        clock=clock,
        retention=config.retention,
    )
    jobs.report_to(daemon.enqueue)
    warnings = list[str]()
    web = WebServer(create_app(Port(store, artifacts, daemon, clock, warnings)), config.http_host, config.http_port)
    web.start()
    if isinstance(running_broker, ExternalBroker):
        Thread(target=_look_at_limits, args=(running_broker, warnings), name="limits", daemon=True).start()
    _on_signal(lambda: daemon.enqueue(Stop()))
    log.info("event=serving api=%s broker=%s:%d", web.address, running_broker.host, running_broker.port)
    try:
        daemon.run()
    finally:
        web.stop()
        running_broker.stop()
        store.close()
        lock.close()


def _look_at_limits(broker: ExternalBroker, warnings: list[str]) -> None:
    try:
        limits = measure(lambda name: MqttLink(broker.host, broker.port, name, manual_ack=True))
    except NoAnswerError as error:
        log.warning("event=broker_limits_unknown reason=%r", str(error))
        warnings.append(f"what the broker holds for its clients could not be measured: {error}")
        return
    log.info("event=broker_limits in_flight=%d kept=%d largest=%s", limits.in_flight, limits.kept, limits.largest)
    for each in limits.shortfalls():
        log.warning("event=broker_falls_short reason=%r", each)
        warnings.append(each)


def _epoch(store: Store) -> int:
    """The least epoch that is issued. A device whose mark is above it is followed by itself (`core/mark.py`); raised by
    hand it is above marks that are too far ahead to be followed."""
    with store.begin() as tx:
        known = tx.get_meta("epoch")
        if known is None:
            tx.put_meta("epoch", "1")
        return int(known or 1)


def _clock(store: Store) -> Clock:
    with store.begin() as tx:
        clock = Clock(
            tx.get_meta("clock"),
            tx.newest_unix_s(),
            boot=boot_id(),
            wall=time.time,
            steady=steady_s,
            kept=synchronised,
        )
        tx.put_meta("clock", clock.memory())
    return clock


def _lock(state: Path) -> IO[str]:
    """Two controllers on one state would make two seqs for one intent; the second is refused."""
    file = (state / "lock").open("w")
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        file.close()
        raise AlreadyRunning(f"another controller is running on {state}") from None
    return file


def _on_signal(stop: Callable[[], None]) -> None:
    def handle(_number: int, _frame: FrameType | None) -> None:
        stop()

    signal.signal(signal.SIGTERM, handle)
    signal.signal(signal.SIGINT, handle)


def _log_to_stderr() -> None:
    """One line a transition: time, level, room, key=value."""
    logging.basicConfig(
        stream=sys.stderr, level=logging.INFO, format="%(asctime)s level=%(levelname)s room=%(name)s %(message)s"
    )
    for chatty in ("httpx", "alembic", "uvicorn.access", "uvicorn.error"):
        logging.getLogger(chatty).setLevel(logging.WARNING)
