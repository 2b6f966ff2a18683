"""The command line against a real server on loopback, and behind it the real controller."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from controller.cli.app import app
from controller.web.app import create_app
from controller.web.server import WebServer
from tests.real import RealController, real_controller

Run = Callable[..., Result]


@pytest.fixture
def controller(tmp_path: Path) -> Iterator[RealController]:
    with real_controller(tmp_path) as controller:
        yield controller


@pytest.fixture
def run(controller: RealController) -> Iterator[Run]:
    """Run `controller ...` and return its outcome; stdout and stderr apart."""
    with WebServer(create_app(controller.port)) as server:

        def invoke(*arguments: str, text: str | None = None, columns: int | None = 200) -> Result:
            environment = {"HEDGEROW_API": server.address, "COLUMNS": None if columns is None else str(columns)}
            return CliRunner().invoke(app, list(arguments), input=text, env=environment)

        yield invoke


def meanwhile(controller: RealController, *steps: Callable[[str], None]) -> Thread:
    """Once a job is at work, take it through `steps`, slowly enough to be followed."""

    def work() -> None:
        controller.wait_until(lambda: controller.jobs.running)
        job = controller.at_work
        for at, step in enumerate(steps):
            time.sleep(0.7 if at else 0.0)
            step(job)

    thread = Thread(target=work)
    thread.start()
    return thread


def moves(controller: RealController, share: float, text: str) -> Callable[[str], None]:
    return lambda job: controller.move(job, share, text)


def ends(controller: RealController, **result: Any) -> Callable[[str], None]:
    return lambda job: controller.end(job, **result)
