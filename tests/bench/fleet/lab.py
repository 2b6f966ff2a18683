"""One measurement's own broker, controller and database, as real processes on loopback in a folder of their own."""

from __future__ import annotations

import contextlib
import shutil
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import yaml
from sqlalchemy import create_engine, func, make_url, select, text

from controller.client import Client, ClientError
from controller.store.telemetry import Telemetry
from tests.bench.fleet import devices
from tests.bench.fleet.broker import started
from tests.bench.fleet.crowd import CONNECTIONS, Crowd
from tests.bench.fleet.limits import Until
from tests.e2e.grounds import Process, free_ports
from tests.e2e.user_model import write_model

_DATABASE = "hedgerow_bench"
_ANNOUNCED = 500  # at once: an info has no answer, and what a broker's queue cannot hold is gone
_STOP_S = 120.0
_REQUEST_S = 600.0
STILL = {"parallel_jobs": 0, "soak_s": 86_400, "repair_deadline_s": 86_400}
"""A policy: no job takes from what is measured, what soaks does so to the end, and what is open stays open."""


class Lab:
    """`database` is the URL of a PostgreSQL server on which a database of its own is made; None is a SQLite file."""

    def __init__(self, folder: Path, until: Until, database: str | None) -> None:
        shutil.rmtree(folder, ignore_errors=True)
        self.state = folder / "state"
        self.state.mkdir(parents=True)
        self.until = until
        http_port, self.port = free_ports()
        self.url = f"sqlite:///{self.state / 'hedgerow.db'}" if database is None else _made_on(database)
        api = f"127.0.0.1:{http_port}"
        flags = ["--state", str(self.state), "--http", api, "--broker", f"mqtt://127.0.0.1:{self.port}"]
        self.controller = Process(
            "controller", "controller.cli", ["serve", *flags, "--database", self.url], folder / "controller.log"
        )
        self.client = Client(f"http://{api}", timeout_s=_REQUEST_S)
        self.broker = started(folder, self.port)
        self._engine = create_engine(self.url)

    def serve(self, *, retention: str | None = None, **policy: float) -> float:
        """Start the controller; the seconds until it answers. `retention` is how long it keeps windows."""
        kept = {} if retention is None else {"retention": {"windows": retention}}
        (self.state / "controller.yaml").write_text(yaml.safe_dump(kept | ({"policy": policy} if policy else {})))
        began_s = time.monotonic()
        self.controller.start()
        while not self._answers():
            assert self.controller.alive, f"the controller has ended:\n{self.controller.tail()}"
            self.until.check("the controller does not answer yet")
            time.sleep(0.02)
        return time.monotonic() - began_s

    def stop(self) -> None:
        self.controller.terminate(_STOP_S)

    def close(self) -> None:
        self._engine.dispose()
        self.client.close()
        self.controller.end()
        self.broker.stop()

    def count(self, query: str) -> int:
        """What a query of one number says of what is committed."""
        with self._engine.connect() as connection:
            return int(connection.execute(text(query)).scalar() or 0)

    def windows(self) -> int:
        """How many are committed."""
        telemetry, found = Telemetry(self._engine), 0
        for part in telemetry.parts:
            with telemetry.kept.reader(part) as connection:
                found += connection.execute(select(func.count()).select_from(part.table)).scalar_one()
        telemetry.close()
        return found

    def parts(self) -> int:
        """How many of the telemetry there are."""
        return len(Telemetry(self._engine).parts)

    def announce(self, ids: Sequence[str]) -> None:
        """The devices say who they are, as they do when they connect; until the controller has written all down."""
        with self.crowd(ids) as crowd:
            for at in range(0, len(ids), _ANNOUNCED):
                for device in ids[at : at + _ANNOUNCED]:
                    crowd.say(device, "info", devices.info(device), retain=True)
                    crowd.say(device, "status", devices.status(device), retain=True)
                crowd.flush()
                self._wait_for("SELECT count(*) FROM devices", min(at + _ANNOUNCED, len(ids)), "announced")

    def announced(self, ids: Sequence[str], model: Path, **policy: float) -> str:
        """A controller that knows these devices, none of them accepted, and the model: its ref."""
        self.serve()
        ref = self.measured(model)
        self.stop()
        self.serve(**policy)
        self.announce(ids)
        return ref

    def fleet(self, count: int, model: Path, **policy: float) -> str:
        """A controller that knows the model, whose ref it returns, and `count` accepted devices.

        They are accepted in the database between two runs of it: what requests for that cost has a part of its own.
        """
        self.serve()
        self.announce(devices.ids(count))
        ref = self.measured(model)
        self.stop()
        with self._engine.begin() as connection:
            connection.execute(text("UPDATE devices SET state = 'accepted'"))
        self.serve(**policy)
        return ref

    def measured(self, model: Path) -> str:
        """The model is added, and its dense variant there; returns its ref."""
        ref = str(self.client.add_model(str(model))["ref"])
        while not self.client.variants(ref):
            self.until.check("the model is not measured yet")
            time.sleep(0.2)
        return ref

    @contextlib.contextmanager
    def crowd(self, ids: Sequence[str], connections: int = CONNECTIONS) -> Iterator[Crowd]:
        crowd = Crowd(self.port, list(ids), connections)
        try:
            yield crowd
        finally:
            crowd.close()

    def _wait_for(self, query: str, wanted: int, what: str) -> None:
        while (found := self.count(query)) < wanted:
            self.until.check(f"{found:,} devices {what}")
            time.sleep(0.05)

    def _answers(self) -> bool:
        with contextlib.suppress(ClientError):
            return bool(self.client.health())
        return False


def model_in(folder: Path) -> Path:
    """A small network with its spec, trained once."""
    spec = folder / "model.yaml"
    if not spec.is_file():
        shutil.rmtree(folder, ignore_errors=True)
        folder.parent.mkdir(parents=True, exist_ok=True)
        write_model(folder)
    return spec


def _made_on(server: str) -> str:
    """A new database there; what an earlier measurement left of it is gone. No other is touched."""
    engine = create_engine(server, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.execute(text(f"DROP DATABASE IF EXISTS {_DATABASE}"))
        connection.execute(text(f"CREATE DATABASE {_DATABASE}"))
    engine.dispose()
    return make_url(server).set(database=_DATABASE).render_as_string(hide_password=False)
