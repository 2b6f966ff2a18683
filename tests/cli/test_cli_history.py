"""What is kept of the past, and what it takes."""

from __future__ import annotations

import json
from typing import Any

import pytest

from agent.wire.messages import Window
from controller.core.intents import RegisterDevice
from controller.core.nouns.window import StoredWindow
from controller.loop.rollup import roll_up
from controller.store.tx import Tx
from tests.cli.conftest import Run
from tests.real import RealController

HOUR_S = 3600.0
PAST = 1_700_000_000.0 // HOUR_S * HOUR_S


def answer(run: Run, *arguments: str) -> Any:
    result = run(*arguments, "-o", "json")
    assert result.exit_code == 0, result.stderr
    return json.loads(result.stdout)


@pytest.fixture
def fleet(controller: RealController) -> RealController:
    """One device."""
    controller.ask(RegisterDevice("device: cam-1\n"))
    return controller


def serve(fleet: RealController, hours: int) -> None:
    """Of each hour two windows, one of them outside the budget."""

    def put(tx: Tx) -> None:
        for hour in range(hours):
            for half in (0, 1):
                window = Window(
                    seq=2 * hour + half + 1, duration_s=600.0, sha256="ab" * 32, count=10, latency_p95_ms=5.0 + half,
                    power_watts=2.0, power_source="measured",
                )  # fmt: skip
                tx.put_windows([StoredWindow("cam-1", "b", PAST + hour * HOUR_S + half, window, outside=half == 1)])
        device = tx.get_device("cam-1")
        assert device is not None
        assert roll_up(tx, device, 1000) == 2 * hours

    fleet.put(put)


def test_windows_and_hours_between_two_moments(run: Run, fleet: RealController) -> None:
    serve(fleet, 4)
    times = ["--since", "2023-11-14T00:00+00:00", "--until", "2023-11-15T00:00+00:00"]
    rows = answer(run, "telemetry", "cam-1", *times)
    assert [row["seq"] for row in rows] == [
        row for row in range(1, 9) if PAST + (row - 1) // 2 * HOUR_S < 1_700_006_400
    ]
    assert answer(run, "telemetry", "cam-1", "--since", "2 h") == []
    assert len(answer(run, "telemetry", "cam-1", "-n", "3")) == 3
    hours = answer(run, "telemetry", "cam-1", "--hours")
    assert [row["hour_unix_s"] for row in hours] == [PAST + hour * HOUR_S for hour in range(4)]
    first, newest = hours[0], hours[-1]
    assert (first["inside_s"], first["outside_s"], first["not_heard_s"]) == (600.0, 600.0, 2400.0)
    assert newest["not_heard_s"] is None, "it may not be over"
    assert (first["windows"], first["count"], first["joules"]) == (2, 20, {"measured": 2400.0})
    assert (first["latency_p95_lowest_ms"], first["latency_p95_highest_ms"]) == (5.0, 6.0)
    table = run("telemetry", "cam-1", "--hours", "-n", "1").stdout
    assert "NOT HEARD" in table
    assert "measured=2400" in table


def test_a_moment_that_is_none_is_refused_with_what_is(run: Run, fleet: RealController) -> None:
    result = run("telemetry", "cam-1", "--since", "yesterday")
    assert (result.exit_code, result.stdout) == (2, "")
    assert "--since: 'yesterday' is no moment: write how long ago, as in '2 h'" in result.stderr


def test_what_takes_how_much(run: Run, fleet: RealController) -> None:
    serve(fleet, 30)
    rows = {row["what"]: row for row in answer(run, "db", "size")}
    days = [what for what in rows if what.startswith("windows ")]
    assert days == ["windows 2023-11-14", "windows 2023-11-15", "windows 2023-11-16"][: len(days)]
    assert sum(rows[day]["rows"] for day in days) == 60
    assert rows["rollups"]["rows"] == 30
    assert rows["devices"]["rows"] == 1
    assert all(rows[what]["size_bytes"] > 0 for what in (*days, "rollups", "devices"))
    table = run("db", "size").stdout
    assert "windows 2023-11-15" in table
    assert "KiB" in table or "MiB" in table
    assert table.splitlines()[-1].split()[0] == "all"
