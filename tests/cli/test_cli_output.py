"""What is printed and cannot be written: one line, exit 1, and never a traceback."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator

import pytest

from controller.core.intents import RegisterDevice
from controller.web.app import create_app
from controller.web.server import WebServer
from tests.real import RealController


@pytest.fixture
def api(controller: RealController) -> Iterator[str]:
    controller.ask(RegisterDevice("device: cam-1\nlabels: {ward: Süd}\n"))
    with WebServer(create_app(controller.port)) as server:
        yield server.address


@pytest.mark.parametrize(
    ("command", "redirect", "encoding", "told"),
    [
        ("device list", ">/dev/full", "utf-8", "error: standard output cannot be written: No space left on device\n"),
        ("device list -o json", ">/dev/full", "utf-8", "error: standard output cannot be written: No space"),
        ("--help", ">/dev/full", "ascii", "error: standard output cannot be written: No space left on device\n"),
        ("device list", ">&-", "utf-8", "error: standard output is closed\n"),
        ("device show cam-1", ">&-", "utf-8", "error: standard output is closed\n"),
        (
            "device show cam-1",
            "",
            "ascii",
            r"error: standard output is in ascii, which has no '\xfc'; ",
        ),
        ("device show cam-1", "| true", "utf-8", ""),
        ("device list", "| true", "utf-8", ""),
    ],
)
def test_output_that_fails_is_one_line_and_exit_1(
    api: str, command: str, redirect: str, encoding: str, told: str
) -> None:
    done = controller(api, command, redirect, encoding)
    assert (done.returncode, done.stderr[: len(told)]) == (1, told)
    assert len(done.stderr.splitlines()) == bool(told)


def test_a_reader_that_has_enough_ends_nothing_badly(api: str) -> None:
    done = controller(api, "device show cam-1", "| head -1", "utf-8")
    assert (done.stdout, done.stderr) == ("id: cam-1\n", "")


def test_json_is_ascii_whatever_the_labels(api: str) -> None:
    done = controller(api, "device show cam-1 -o json", "", "ascii")
    assert (done.returncode, done.stderr) == (0, "")
    assert r'"ward": "S\u00fcd"' in done.stdout


def controller(api: str, command: str, redirect: str, encoding: str) -> subprocess.CompletedProcess[str]:
    """The exit code is the controller's own, whatever stands after a pipe."""
    script = f"{sys.executable} -m controller.cli {command} {redirect}; exit ${{PIPESTATUS[0]}}"
    environment = {**os.environ, "HEDGEROW_API": api, "PYTHONIOENCODING": encoding, "COLUMNS": "200"}
    return subprocess.run(["bash", "-c", script], env=environment, capture_output=True, text=True, check=False)
