"""Sensors are chosen by what they measure; one that lies is absent with the reason."""

from __future__ import annotations

from pathlib import Path

import boards
import pytest
from boards import put, zone

from agent.choice import BY_KIND, Named
from agent.sensed import Reading, summarise
from agent.sensors import Sensors
from agent.thermometers import trip_of


def look(root: Path, tree: boards.Tree, named: Named = BY_KIND) -> Reading:
    put(root, tree)
    return Sensors(root, lambda: 0.0, named).read()


# --- temperature ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("zones", "taken"),
    [
        (["iwlwifi_1", "cpu-thermal"], 1),
        (["nvme", "battery", "x86_pkg_temp", "acpitz"], 2),
        (["gpu-thermal", "CPU-therm", "tj-thermal"], 1),
        (["ddr-thermal", "soc-thermal"], 1),
        (["skin-therm", "pm8998-thermal", "cpu-0-0-usr"], 2),
        (["bcm2835_thermal", "charger"], 0),
        (["INT3400 Thermal", "acpitz"], 1),
        (["mtktsbattery", "mtktscpu"], 1),
        (["something-of-its-own"], 0),
        (["iwlwifi_1", "nvme-thermal", "BAT0", "mdm-thermal"], None),
    ],
)
def test_the_processor_s_zone_is_known_by_its_type_however_hot_the_others_are(
    tmp_path: Path, zones: list[str], taken: int | None
) -> None:
    tree: dict[str, str] = {}
    for number, kind in enumerate(zones):
        tree |= zone(number, kind, 45_000 if number == taken else 62_000)
    reading = look(tmp_path, tree)
    assert reading.temperature_celsius == (None if taken is None else 45.0)
    assert len(reading.left["temperature"] if len(zones) > 1 else ()) == len(zones) - (taken is not None)
    if taken is None:
        assert "temperature" not in reading.sources


def test_of_several_zones_of_the_processor_the_hottest_counts(tmp_path: Path) -> None:
    reading = look(tmp_path, {**zone(0, "cpu0-thermal", 50_000), **zone(1, "cpu1-thermal", 51_000)})
    assert (reading.temperature_celsius, reading.sources["temperature"]) == (51.0, "thermal_zone1 (cpu1-thermal)")


def test_a_chip_of_the_processor_goes_before_a_zone_of_who_knows_what(tmp_path: Path) -> None:
    chip = {"class/hwmon/hwmon1/name": "k10temp", "class/hwmon/hwmon1/temp1_input": "61000"}
    reading = look(tmp_path, {**zone(0, "acpitz", 27_800), **chip})
    assert (reading.temperature_celsius, reading.sources["temperature"]) == (61.0, "hwmon1 (k10temp)")


@pytest.mark.parametrize("raw", [127_850_000, 2_147_483_647, -400_000])
def test_a_zone_that_lies_is_absent_and_the_reason_is_told(tmp_path: Path, raw: int) -> None:
    reading = look(tmp_path, zone(0, "cpu", raw))
    assert reading.temperature_celsius is None
    assert reading.implausible == {"temperature": f"thermal_zone0 (cpu): {raw / 1e3:.6g} C is outside -60 to 150 C"}
    sensed = summarise([reading, Reading(temperature_celsius=50.0)])
    assert (sensed.temperature_celsius, sensed.implausible) == (50.0, reading.implausible)
    assert summarise([reading]).temperature_max_celsius is None


@pytest.mark.parametrize("raw", [127_850_000, 2_147_483_647])
def test_a_board_s_zone_that_lies_does_not_hide_the_processor_s(tmp_path: Path, raw: int) -> None:
    reading = look(tmp_path, {**zone(0, "cpu", 51_234), **zone(1, "acpitz", raw)})
    assert (reading.temperature_celsius, reading.implausible) == (51.234, {})
    assert reading.left["temperature"] == (f"thermal_zone1 (acpitz): {raw / 1e3:.6g} C is outside -60 to 150 C",)


def test_trip_points_are_those_of_the_zone_that_is_taken(tmp_path: Path) -> None:
    put(tmp_path, {**zone(0, "cpu-thermal", 45_000, critical=110_000), **zone(1, "iwlwifi_1", 40_000, critical=70_000)})
    assert trip_of(tmp_path).value == 110.0  # type: ignore[union-attr]
    put(tmp_path, zone(0, "cpu-thermal", 45_000, critical=2_147_483_647))
    assert trip_of(tmp_path) is None


# --- power ------------------------------------------------------------------------------------------------------------


def meter(number: int, name: str, microwatts: int, **more: str) -> boards.Tree:
    base = f"class/hwmon/hwmon{number}"
    return {f"{base}/name": name, f"{base}/power1_input": str(microwatts)} | {
        f"{base}/{file}": text for file, text in more.items()
    }


def test_a_meter_that_is_not_connected_does_not_count(tmp_path: Path) -> None:
    tree = {**meter(0, "ina3221", -200_000, in1_label="NC"), **meter(1, "ina219", 5_400_000)}
    reading = look(tmp_path, tree)
    assert (reading.power_watts, reading.sources["power"]) == (pytest.approx(5.4), "hwmon1 (ina219)")
    assert reading.left["power"] == ("hwmon0 (ina3221) NC: not connected, as its label NC says",)
    negative = look(tmp_path, {**tree, "class/hwmon/hwmon0/in1_label": ""})
    assert negative.left["power"] == ("hwmon0 (ina3221): not connected, at -0.2 W",)


def test_a_rail_that_is_not_connected_is_not_the_board_s(tmp_path: Path) -> None:
    rails = {"in1_label": "NC", "in1_input": "5000", "curr1_input": "1", "in2_label": "VDD_5V", "in2_input": "5000",
             "curr2_input": "800"}  # fmt: skip
    tree = {f"class/hwmon/hwmon0/{name}": text for name, text in {"name": "ina3221", **rails}.items()}
    assert look(tmp_path, tree).power_watts == pytest.approx(4.0)


def test_an_absurd_meter_is_absent_with_the_reason_and_graphics_are_not_the_board(tmp_path: Path) -> None:
    reading = look(tmp_path, meter(0, "ina3221", 99_999_999_999_999, in1_label="VDD_IN", temp1_input="65261850"))
    assert (reading.power_watts, reading.temperature_celsius) == (None, None)
    assert reading.implausible == {
        "power": "hwmon0 (ina3221): 1e+08 W is outside 0 to 5000 W",
        "temperature": "hwmon0 (ina3221): 65261.8 C is outside -60 to 150 C",
    }
    assert look(tmp_path / "b", meter(0, "amdgpu", 9_000_000)).power_watts is None


# --- charge -----------------------------------------------------------------------------------------------------------


def battery(number: int, capacity: int, **more: str) -> boards.Tree:
    files = {"type": "Battery", "present": "1", "status": "Full", "capacity": str(capacity), **more}
    return {f"class/power_supply/BAT{number}/{file}": text for file, text in files.items()}


def test_an_empty_bay_does_not_count(tmp_path: Path) -> None:
    reading = look(tmp_path, {**battery(0, 83), **battery(1, 0, present="0", status="Unknown")})
    assert (reading.battery_percent, reading.sources["battery"]) == (83.0, "BAT0")
    assert reading.left["battery"] == ("BAT1: an empty bay",)


def test_a_gauge_that_overcounts_is_full_and_says_so(tmp_path: Path) -> None:
    reading = look(tmp_path, {**battery(0, 117), **battery(1, 99)})
    assert reading.battery_percent == pytest.approx(99.5)
    assert reading.sources["battery"] == "BAT0, BAT1 (BAT0 tells 117 %, taken as full)"
    held = {"energy_now": "46800000", "energy_full": "40000000"}
    assert look(tmp_path / "b", battery(0, 90, **held)).battery_percent == 100.0


@pytest.mark.parametrize("capacity", [250, -20, 2_147_483_647])
def test_a_charge_that_cannot_be_is_absent_with_the_reason(tmp_path: Path, capacity: int) -> None:
    reading = look(tmp_path, {**battery(0, capacity), **battery(1, 99)})
    assert reading.battery_percent is None
    assert reading.implausible["battery"].startswith(f"BAT0, BAT1: BAT0: {capacity:.6g} % is outside")


def test_a_battery_s_absurd_draw_is_no_power(tmp_path: Path) -> None:
    reading = look(tmp_path, battery(0, 80, status="Discharging", power_now="99999999999999"))
    assert (reading.power_watts, reading.battery_percent) == (None, 80.0)
    assert "power" in reading.implausible


# --- frequency --------------------------------------------------------------------------------------------------------


def test_an_absurd_ceiling_does_not_make_each_later_one_look_throttled(tmp_path: Path) -> None:
    put(tmp_path, boards.clock(600_000, 4_294_967_295, 1_500_000))
    sensors = Sensors(tmp_path, lambda: 0.0)
    assert sensors.read().frequency_ceiling_hz is None
    put(tmp_path, boards.clock(0, 1_500_000, 1_500_000))
    reading = sensors.read()
    assert (reading.frequency_hz, summarise([reading]).throttled_share) == (None, 0.0)


# --- named by the owner -----------------------------------------------------------------------------------------------

SEVERAL = {
    **zone(0, "cpu-thermal", 45_000), **zone(1, "iwlwifi_1", 62_000), **meter(0, "ina219", 5_400_000),
    **meter(1, "ina226", 2_000_000, power1_label="SENSE"), **battery(0, 83), **battery(1, 40),
}  # fmt: skip


@pytest.mark.parametrize(
    ("named", "celsius"),
    [
        ("iwlwifi_1", 62.0),
        ("class/thermal/thermal_zone1", 62.0),
        ("class/thermal/thermal_zone1/temp", 62.0),
        ("cpu-thermal", 45.0),
    ],
)
def test_a_temperature_is_named_by_type_or_path(tmp_path: Path, named: str, celsius: float) -> None:
    reading = look(tmp_path, SEVERAL, Named(temperature=named))
    assert reading.temperature_celsius == celsius
    assert all(f"{named} is named" in text for text in reading.left["temperature"])
    absolute = look(tmp_path, {}, Named(temperature=str(tmp_path / "class/thermal/thermal_zone1")))
    assert absolute.temperature_celsius == 62.0


def test_power_and_battery_are_named_too(tmp_path: Path) -> None:
    assert look(tmp_path, SEVERAL).power_watts == pytest.approx(7.4)
    for named in ("ina226", "SENSE", "class/hwmon/hwmon1"):
        assert look(tmp_path, SEVERAL, Named(power=named)).power_watts == pytest.approx(2.0)
    assert look(tmp_path, SEVERAL, Named(battery="BAT1")).battery_percent == 40.0


def test_the_same_sensor_is_found_by_another_of_its_paths(tmp_path: Path) -> None:
    put(tmp_path / "devices/virtual", {"z/type": "odd", "z/temp": "33000"})
    (tmp_path / "class/thermal").mkdir(parents=True)
    (tmp_path / "class/thermal/thermal_zone0").symlink_to(tmp_path / "devices/virtual/z")
    assert look(tmp_path, {}, Named(temperature="devices/virtual/z")).temperature_celsius == 33.0


def test_one_that_is_not_there_is_told_with_what_there_is_and_nothing_else_is_taken(tmp_path: Path) -> None:
    reading = look(tmp_path, SEVERAL, Named(temperature="gpu", power="class/hwmon/hwmon9", battery="BAT7"))
    assert (reading.temperature_celsius, reading.power_watts, reading.battery_percent) == (None, None, None)
    assert reading.faults == {
        "temperature": "no 'gpu' is there; there is: cpu-thermal, iwlwifi_1",
        "power": "no 'class/hwmon/hwmon9' is there; there is: ina219, ina226",
        "battery": "no 'BAT7' is there; there is: BAT0, BAT1",
    }
    assert "no sensor of this kind" in look(tmp_path / "b", {}, Named(power="x")).faults["power"]


def test_a_jump_is_left_out_of_the_window_and_told(tmp_path: Path) -> None:
    now = [0.0]
    sensors, readings = Sensors(tmp_path, lambda: now[0]), []
    for millidegrees in (45_000, 45_100, 127_000, 45_200):
        put(tmp_path, zone(0, "cpu-thermal", millidegrees))
        readings.append(sensors.read())
        now[0] += 1.0
    sensed = summarise(readings)
    assert (sensed.temperature_max_celsius, sensed.temperature_celsius) == (45.2, 45.2)
    assert sensed.implausible == {"temperature": "thermal_zone0 (cpu-thermal): 45.1 C became 127 C at once"}
