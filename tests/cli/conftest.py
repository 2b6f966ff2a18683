"""The command line against a real server on loopback, over a store that tests fill as they need."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from controller.cli.app import app
from controller.store import Store
from controller.web.app import create_app
from controller.web.server import WebServer
from controller.web.testing import StorePort

Run = Callable[..., Result]


@pytest.fixture
def port(tmp_path: Path) -> Iterator[StorePort]:
    store = Store(f"sqlite:///{tmp_path}/controller.db")
    store.open()
    yield StorePort(store)
    store.close()


@pytest.fixture
def run(port: StorePort) -> Iterator[Run]:
    """Run `controller ...` and return its outcome; stdout and stderr apart."""
    with WebServer(create_app(port)) as server:

        def invoke(*arguments: str, text: str | None = None, columns: int | None = 200) -> Result:
            environment = {"HEDGEROW_API": server.address, "COLUMNS": None if columns is None else str(columns)}
            return CliRunner().invoke(app, list(arguments), input=text, env=environment)

        yield invoke
