from __future__ import annotations

import dataclasses
from pathlib import Path

import boards
import pytest
from boards import put, zone
from hypothesis import given
from hypothesis import strategies as st

from agent.sensed import NOTHING, Reading, summarise
from agent.sensors import Sensors
from agent.thermometers import trip_of


def look(root: Path) -> Reading:
    return Sensors(root, lambda: 0.0).read()


def test_nothing_there_is_none_and_not_zero(tmp_path: Path) -> None:
    assert look(tmp_path) == Reading()


CLOCK = {"frequency": "cpu0", "throttled": "scaling_max_freq of cpu0"}
BOARDS = {
    "pi-zero-2": (
        boards.PI_ZERO_2,
        Reading(
            temperature_celsius=48.312, frequency_hz=6e8, frequency_ceiling_hz=1e9, frequency_highest_hz=1e9,
            undervoltage=False,
            sources={"temperature": "thermal_zone0 (cpu-thermal)", "undervoltage": "hwmon0 (rpi_volt)", **CLOCK},
        ),
    ),
    "pi-4 on a weak supply": (
        boards.PI_4_ON_A_WEAK_SUPPLY,
        Reading(
            temperature_celsius=61.341, frequency_hz=6e8, frequency_ceiling_hz=1.8e9, frequency_highest_hz=1.8e9,
            capped=True, undervoltage=True,
            sources={
                "temperature": "thermal_zone0 (cpu-thermal)", "undervoltage": "firmware", **CLOCK,
                "throttled": "firmware",
            },
        ),
    ),
    "pi-5": (
        boards.PI_5,
        Reading(
            temperature_celsius=55.6, frequency_hz=1.5e9, frequency_ceiling_hz=2.4e9, frequency_highest_hz=2.4e9,
            undervoltage=False,
            sources={"temperature": "thermal_zone0 (cpu-thermal)", "undervoltage": "hwmon2 (rpi_volt)", **CLOCK},
        ),
    ),
    "jetson-orin-nano": (
        boards.JETSON_ORIN_NANO,
        Reading(
            temperature_celsius=49.5, power_watts=5.064 * 0.904, frequency_hz=7.296e8, frequency_ceiling_hz=1.5104e9,
            frequency_highest_hz=1.5104e9,
            sources={
                "temperature": "thermal_zone0 (cpu-thermal)", "power": "hwmon1 (ina3221)",
                "frequency": "cpu0 (tegra194)", "throttled": "cpufreq-cpu0",
            },
            capped=False,
            left={
                "temperature": (
                    "thermal_zone1 (gpu-thermal): the graphics', not the processor's",
                    "thermal_zone8 (tj-thermal): thermal_zone0 (cpu-thermal) goes first",
                ),
                "power": (
                    "hwmon1 (ina3221) VDD_CPU_GPU_CV: one rail, not the board's total",
                    "hwmon1 (ina3221) VDD_SOC: one rail, not the board's total",
                ),
            },
        ),
    ),
    "x86 gateway": (
        boards.X86_GATEWAY,
        Reading(
            temperature_celsius=52.0, frequency_hz=8e8, frequency_ceiling_hz=2.3e9, frequency_highest_hz=2.3e9,
            power_package=True,
            sources={
                "temperature": "thermal_zone1 (x86_pkg_temp)", "power": "intel-rapl:0, the processor package alone",
                **CLOCK,
            },
            left={
                "temperature": (
                    "thermal_zone0 (acpitz): thermal_zone1 (x86_pkg_temp) goes first",
                    "hwmon2 (coretemp): thermal_zone1 (x86_pkg_temp) goes first",
                )
            },
        ),
    ),
    "wearable": (
        boards.WEARABLE,
        Reading(
            temperature_celsius=38.0, power_watts=0.31 * 3.85, battery_percent=71, battery_discharging=True,
            frequency_hz=1.2e9, frequency_ceiling_hz=1.2e9, frequency_highest_hz=1.2e9,
            sources={
                "temperature": "thermal_zone0 (soc_thermal)", "power": "battery, discharging", "battery": "battery",
                **CLOCK,
            },
            left={"battery": ("hid-pen-battery: a peripheral's",)},
        ),
    ),
    "two batteries": (
        boards.TWO_BATTERIES,
        Reading(
            power_watts=6.0, battery_percent=87.5, battery_discharging=True,
            sources={"power": "BAT0, BAT1, discharging", "battery": "BAT0, BAT1"},
        ),
    ),
}  # fmt: skip


@pytest.mark.parametrize("board", BOARDS)
def test_every_value_of_a_board_is_read_with_its_source(tmp_path: Path, board: str) -> None:
    tree, expected = BOARDS[board]
    put(tmp_path, tree)
    got, wanted = dataclasses.asdict(look(tmp_path)), dataclasses.asdict(expected)
    assert got.pop("sources") == wanted.pop("sources")
    for name, value in wanted.items():
        assert got[name] == (pytest.approx(value) if isinstance(value, float) else value), name


@pytest.mark.parametrize(
    ("tree", "celsius", "source"),
    [
        (boards.PI_5, 110.0, "thermal_zone0 (cpu-thermal), critical"),
        (boards.JETSON_ORIN_NANO, 99.0, "thermal_zone0 (cpu-thermal), passive"),
        (boards.X86_GATEWAY, 119.0, "thermal_zone0 (acpitz), critical"),
        (boards.WEARABLE, 65.0, "thermal_zone0 (soc_thermal), passive"),
    ],
)
def test_the_first_trip_point(tmp_path: Path, tree: boards.Tree, celsius: float, source: str) -> None:
    put(tmp_path, tree)
    trip = trip_of(tmp_path)
    assert trip is not None
    assert (trip.value, trip.source) == (celsius, source)


def test_where_no_zone_has_a_trip_point_a_chip_s_own_counts(tmp_path: Path) -> None:
    put(
        tmp_path,
        {f"class/hwmon/hwmon2/{name}": text for name, text in (("name", "coretemp"), ("temp1_crit", "100000"))},
    )
    trip = trip_of(tmp_path)
    assert trip is not None
    assert (trip.value, trip.source) == (100.0, "hwmon2 (coretemp), critical")
    put(tmp_path, boards.X86_GATEWAY)
    assert trip_of(tmp_path).value == 119.0  # type: ignore[union-attr]


def test_acpi_tells_the_board_s_power_as_an_average_and_a_graphics_card_only_its_own(tmp_path: Path) -> None:
    put(tmp_path, {"class/hwmon/hwmon3/name": "amdgpu", "class/hwmon/hwmon3/power1_average": "9000000"})
    assert look(tmp_path).power_watts is None
    put(tmp_path, {"class/hwmon/hwmon4/name": "power_meter", "class/hwmon/hwmon4/power1_average": "21500000"})
    found = look(tmp_path)
    assert (found.power_watts, found.sources["power"]) == (21.5, "hwmon4 (power_meter)")


def test_hwmon_temperatures_count_only_without_zones(tmp_path: Path) -> None:
    put(tmp_path, {"class/hwmon/hwmon0/temp1_input": "90000"})
    assert look(tmp_path).temperature_celsius == 90
    put(tmp_path, zone(0, "soc", 45000))
    assert look(tmp_path).temperature_celsius == 45


def test_a_meter_of_the_board_goes_before_the_battery_and_a_charging_battery_is_no_meter(tmp_path: Path) -> None:
    put(tmp_path, boards.WEARABLE | {"class/power_supply/battery/status": "Charging"})
    reading = look(tmp_path)
    assert (reading.battery_discharging, reading.power_watts) == (False, None)
    put(tmp_path, {"class/hwmon/hwmon1/power1_input": "3100000"})
    assert look(tmp_path).power_watts == pytest.approx(3.1)


def test_the_package_counts_joules_and_its_counter_wraps(tmp_path: Path) -> None:
    put(tmp_path, boards.X86_GATEWAY)
    now = [0.0]
    sensors = Sensors(tmp_path, lambda: now[0])
    counter, now[0] = "class/powercap/intel-rapl:0/energy_uj", 0.0
    first = sensors.read()
    assert (first.power_watts, first.sources["power"]) == (None, "intel-rapl:0, the processor package alone")
    put(tmp_path, {counter: "8000000"})
    now[0] = 2.0
    reading = sensors.read()
    assert reading.power_watts == pytest.approx(3.5)
    assert (reading.sources["power"], reading.power_package) == (first.sources["power"], True)
    assert summarise([first, reading, Reading()]).power_package
    put(tmp_path, {counter: "262140000000"})
    now[0] = 100_000.0
    assert sensors.read().power_watts == pytest.approx(262132 / 99_998)
    put(tmp_path, {counter: "1671150"})
    now[0] += 2.0
    assert sensors.read().power_watts == pytest.approx((262143.328850 - 262140 + 1.671150) / 2)
    put(tmp_path, {counter: "1671149"})  # it was reset, as some do in their sleep: no device draws what that would mean
    now[0] += 2.0
    reading = sensors.read()
    assert (reading.power_watts, reading.implausible) == (
        None,
        {"power": "intel-rapl:0, the processor package alone: 131072 W is outside 0 to 5000 W"},
    )


def test_what_cannot_be_read_is_absent(tmp_path: Path) -> None:
    put(tmp_path, {"class/thermal/thermal_zone0/temp": "hot"})
    (tmp_path / "class/thermal/thermal_zone1/temp").mkdir(parents=True)
    put(tmp_path, {"devices/platform/soc/soc:firmware/get_throttled": "?"})
    assert look(tmp_path) == Reading()


def test_a_ceiling_that_fell_is_throttling_and_a_chosen_one_or_an_idle_clock_is_not(tmp_path: Path) -> None:
    sensors = Sensors(tmp_path, lambda: 0.0)

    def throttled(ceiling: int) -> float | None:
        put(tmp_path, boards.clock(600000, ceiling, 1500000))
        return summarise([sensors.read(), Reading()]).throttled_share

    assert throttled(1100000) == 0.0  # of 1.5 GHz that the hardware could
    assert throttled(900000) == 1.0
    assert throttled(1100000) == 0.0
    assert throttled(1500000) == 0.0  # it was throttled when we came, or the owner chose anew
    assert throttled(1100000) == 1.0


@pytest.mark.parametrize(("kind", "state", "share"), [("cpufreq-cpu0", 2, 1.0), ("Processor", 0, 0.0)])
def test_where_the_kernel_tells_of_its_cooling_the_ceiling_is_not_asked(
    tmp_path: Path, kind: str, state: int, share: float
) -> None:
    sensors = Sensors(tmp_path, lambda: 0.0)
    put(tmp_path, boards.clock(600000, 1500000, 1500000) | boards.cooler(0, "pwm-fan", 3))
    assert summarise([sensors.read()]).throttled_share == 0.0
    put(tmp_path, boards.clock(600000, 900000, 1500000) | boards.cooler(1, kind, state) | boards.cooler(2, kind, 0))
    reading = sensors.read()
    assert (summarise([reading]).throttled_share, reading.sources["throttled"]) == (share, kind)


def test_what_the_firmware_holds_down_is_throttling_at_any_ceiling(tmp_path: Path) -> None:
    put(tmp_path, boards.PI_4_ON_A_WEAK_SUPPLY)
    sensed = summarise([look(tmp_path), Reading(capped=False, undervoltage=False)])
    assert (sensed.throttled_share, sensed.undervoltage) == (0.5, True)


def test_an_interval_without_readings_says_nothing() -> None:
    assert summarise([]) == NOTHING


@given(st.lists(st.one_of(st.none(), st.floats(-50, 150)), min_size=1, max_size=20))
def test_the_maximum_is_the_maximum_and_absent_stays_absent(values: list[float | None]) -> None:
    sensed = summarise([Reading(temperature_celsius=each, power_watts=each) for each in values])
    present = [each for each in values if each is not None]
    assert sensed.temperature_max_celsius == max(present, default=None)
    assert sensed.temperature_celsius == values[-1]
    mean = pytest.approx(sum(present) / len(present)) if present else None
    assert (sensed.power_watts, sensed.temperature_mean_celsius) == (mean, mean)
