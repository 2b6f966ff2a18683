from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.sensed import NOTHING, Reading, summarise
from agent.sensors import read


def put(root: Path, **files: str) -> None:
    for name, text in files.items():
        path = root / name.replace("__", "/")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text + "\n")


def test_nothing_there_is_none_and_not_zero(tmp_path: Path) -> None:
    assert read(tmp_path) == Reading()


def test_the_hottest_zone_counts_and_hwmon_only_without_zones(tmp_path: Path) -> None:
    put(tmp_path, class__hwmon__hwmon0__temp1_input="90000")
    assert read(tmp_path).temperature_celsius == 90
    put(tmp_path, class__thermal__thermal_zone0__temp="45000", class__thermal__thermal_zone1__temp="51250")
    assert read(tmp_path).temperature_celsius == 51.25


def test_a_battery_that_discharges_is_a_power_meter(tmp_path: Path) -> None:
    battery = "class__power_supply__BAT0__"
    put(tmp_path, class__power_supply__AC__type="Mains")
    put(tmp_path, **{battery + "type": "Battery", battery + "capacity": "81", battery + "status": "Discharging"})
    put(tmp_path, **{battery + "current_now": "-500000", battery + "voltage_now": "4000000"})
    reading = read(tmp_path)
    assert (reading.battery_percent, reading.battery_discharging, reading.power_watts) == (81, True, 2.0)
    put(tmp_path, **{battery + "power_now": "2500000"})
    assert read(tmp_path).power_watts == 2.5
    put(tmp_path, **{battery + "status": "Charging"})
    assert (read(tmp_path).battery_discharging, read(tmp_path).power_watts) == (False, None)
    put(tmp_path, class__hwmon__hwmon1__power1_input="3100000")
    assert read(tmp_path).power_watts == pytest.approx(3.1)


def test_what_cannot_be_read_is_absent(tmp_path: Path) -> None:
    put(tmp_path, class__thermal__thermal_zone0__temp="hot")
    (tmp_path / "class/thermal/thermal_zone1/temp").mkdir(parents=True)
    assert read(tmp_path).temperature_celsius is None


def test_a_lowered_ceiling_is_throttling_and_an_idle_clock_is_not(tmp_path: Path) -> None:
    cpu = "devices__system__cpu__cpu0__cpufreq__"
    put(tmp_path, **{cpu + "cpuinfo_max_freq": "1500000", cpu + "scaling_max_freq": "1500000"})
    put(tmp_path, **{cpu + "scaling_cur_freq": "600000"})
    assert summarise([read(tmp_path)]).throttled_share == 0.0
    assert summarise([read(tmp_path)]).frequency_hz == 6e8
    put(tmp_path, **{cpu + "scaling_max_freq": "900000"})
    assert summarise([read(tmp_path), Reading()]).throttled_share == 1.0


def test_an_interval_without_readings_says_nothing() -> None:
    assert summarise([]) == NOTHING


@given(st.lists(st.one_of(st.none(), st.floats(-50, 150)), min_size=1, max_size=20))
def test_the_maximum_is_the_maximum_and_absent_stays_absent(values: list[float | None]) -> None:
    sensed = summarise([Reading(temperature_celsius=each, power_watts=each) for each in values])
    present = [each for each in values if each is not None]
    assert sensed.temperature_max_celsius == max(present, default=None)
    assert sensed.temperature_celsius == values[-1]
    assert sensed.power_watts == (pytest.approx(sum(present) / len(present)) if present else None)
