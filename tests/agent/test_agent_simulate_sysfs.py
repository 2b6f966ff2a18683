from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.sensors import Sensors
from agent.simulate import physics, sysfs
from agent.simulate.physics import Body, Condition
from agent.simulate.sysfs import Busy, DeviceSpec, Life

BODY = Body(resistance_celsius_per_watt=8, time_constant_s=30, idle_watts=1, busy_watts=3, battery_watt_hours=10)
SHARES = st.floats(0, 1)


@given(SHARES, st.floats(-20, 60), st.floats(0.1, 500), st.integers(1, 20))
def test_the_size_of_a_step_does_not_matter(duty: float, ambient: float, seconds: float, steps: int) -> None:
    begin = Condition(temperature_celsius=25, charge_watt_hours=10)
    once = physics.advance(BODY, begin, duty=duty, ambient_celsius=ambient, dt_s=seconds)
    often = begin
    for _ in range(steps):
        often = physics.advance(BODY, often, duty=duty, ambient_celsius=ambient, dt_s=seconds / steps)
    assert often.temperature_celsius == pytest.approx(once.temperature_celsius, abs=1e-6)
    assert often.charge_watt_hours == pytest.approx(once.charge_watt_hours)


def test_heat_settles_at_ambient_plus_power_times_resistance() -> None:
    settled = physics.advance(BODY, physics.at_rest(BODY, 25), duty=0.5, ambient_celsius=25, dt_s=3000)
    assert settled.temperature_celsius == pytest.approx(25 + 2 * 8)
    half = physics.advance(BODY, physics.at_rest(BODY, 25), duty=0.5, ambient_celsius=25, dt_s=30)
    assert half.temperature_celsius == pytest.approx(25 + 16 * (1 - 0.36788), abs=0.01)


def test_a_battery_drains_to_nothing_and_not_below() -> None:
    full = physics.at_rest(BODY, 25)
    hour = physics.advance(BODY, full, duty=1.0, ambient_celsius=25, dt_s=3600)
    assert physics.battery_percent(BODY, hour) == pytest.approx(70)
    empty = physics.advance(BODY, hour, duty=1.0, ambient_celsius=25, dt_s=36000)
    assert physics.battery_percent(BODY, empty) == 0
    mains = Body(resistance_celsius_per_watt=8, time_constant_s=30, idle_watts=1, busy_watts=3)
    assert physics.battery_percent(mains, physics.at_rest(mains, 25)) is None


SPEC = DeviceSpec(id="a", status_path="s", sysfs="r", time_constant_s=5.0, capacity_watt_hours=10.0)


def test_duty_follows_the_busy_time_and_ends_with_it() -> None:
    life = Life(condition=physics.at_rest(SPEC.body, 25))
    for tick in range(1, 80):
        now_s = tick * 0.25
        busy = Busy(pid=1, busy_s_total=0.4 * int(now_s))  # told once a second
        life = sysfs.live(SPEC, life, busy, 25, now_s, 0.25)
    assert life.duty == pytest.approx(0.4)
    for tick in range(80, 120):
        life = sysfs.live(SPEC, life, busy, 25, tick * 0.25, 0.25)
    assert life.duty == 0
    life = sysfs.live(SPEC, life, Busy(pid=2, busy_s_total=0.0), 25, 30.0, 0.25)
    assert life.duty == 0


def test_what_is_written_is_what_sensors_read(tmp_path: Path) -> None:
    life = Life(condition=physics.at_rest(SPEC.body, 31.5, 80), duty=0.5)
    sysfs.write(tmp_path, sysfs.tree(SPEC, life))
    reading = Sensors(tmp_path, time.monotonic).read()
    assert reading.temperature_celsius == 31.5
    assert reading.power_watts == pytest.approx(2.0)
    assert (reading.battery_percent, reading.battery_discharging) == (80, True)


def test_one_process_serves_many_devices_and_surroundings_change(tmp_path: Path) -> None:
    devices = []
    for name in ("a", "b"):
        device = {"id": name, "status_path": str(tmp_path / f"{name}.json"), "sysfs": str(tmp_path / name)}
        devices.append({**device, "resistance_celsius_per_watt": None, "time_constant_s": 0.2})
    spec = tmp_path / "spec.json"
    spec.write_text(json.dumps({"devices": devices}))
    (tmp_path / "b").mkdir()
    (tmp_path / "b" / "ambient").write_text("60")
    process = subprocess.Popen([sys.executable, "-m", "agent.simulate.sysfs", "--spec", str(spec)])
    try:
        until_s = time.monotonic() + 10
        while (Sensors(tmp_path / "b", time.monotonic).read().temperature_celsius or 0) < 67:
            assert time.monotonic() < until_s
            time.sleep(0.1)
    finally:
        process.terminate()
        process.wait()
    assert (Sensors(tmp_path / "a", time.monotonic).read().temperature_celsius or 99) < 34
    assert Sensors(tmp_path / "a", time.monotonic).read().battery_percent is None


def test_a_spec_that_cannot_be_read_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "spec.json").write_text('{"devices": [{"id": 1}]}')
    assert sysfs.main(["--spec", str(tmp_path / "spec.json")]) == 2
    assert "spec.json" in capsys.readouterr().err
