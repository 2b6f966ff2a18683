"""The files below /sys of several boards, as far as an agent looks; the values are made up.

Names and units follow the kernel's documentation: thermal zones and trip points (driver-api/thermal/sysfs-api), hwmon
(raspberrypi-hwmon, ina3221, coretemp), power supplies (ABI/testing/sysfs-class-power), powercap, and the Raspberry Pi
firmware's `get_throttled`.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

Tree = Mapping[str, str]


def put(root: Path, files: Tree) -> None:
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"{text}\n")


def zone(number: int, kind: str, millidegrees: int, **trips: int) -> Tree:
    base = f"class/thermal/thermal_zone{number}"
    files = {f"{base}/type": kind, f"{base}/temp": str(millidegrees)}
    for index, (name, at) in enumerate(trips.items()):
        files |= {f"{base}/trip_point_{index}_type": name, f"{base}/trip_point_{index}_temp": str(at)}
    return files


def clock(current: int, ceiling: int, maximum: int) -> Tree:
    base = "devices/system/cpu/cpu0/cpufreq"
    return {
        f"{base}/scaling_cur_freq": str(current),
        f"{base}/scaling_max_freq": str(ceiling),
        f"{base}/cpuinfo_max_freq": str(maximum),
    }


def cooler(number: int, kind: str, state: int) -> Tree:
    base = f"class/thermal/cooling_device{number}"
    return {f"{base}/type": kind, f"{base}/cur_state": str(state)}


PI_ZERO_2 = {
    **zone(0, "cpu-thermal", 48312, critical=90000),
    **clock(600000, 1000000, 1000000),
    "class/hwmon/hwmon0/name": "rpi_volt",
    "class/hwmon/hwmon0/in0_lcrit_alarm": "0",
}
PI_4_ON_A_WEAK_SUPPLY = {
    **zone(0, "cpu-thermal", 61341, critical=110000),
    **clock(600000, 1800000, 1800000),
    "class/hwmon/hwmon0/name": "cpu_thermal",
    "class/hwmon/hwmon0/temp1_input": "61341",
    "class/hwmon/hwmon1/name": "rpi_volt",
    "class/hwmon/hwmon1/in0_lcrit_alarm": "1",
    "devices/platform/soc/soc:firmware/get_throttled": "50005",
}
PI_5 = {
    **zone(0, "cpu-thermal", 55600, active=50000, critical=110000),
    **clock(1500000, 2400000, 2400000),
    "class/hwmon/hwmon0/name": "cpu_thermal",
    "class/hwmon/hwmon0/temp1_input": "55600",
    "class/hwmon/hwmon1/name": "rp1_adc",
    "class/hwmon/hwmon1/temp1_input": "47120",
    "class/hwmon/hwmon2/name": "rpi_volt",
    "class/hwmon/hwmon2/in0_lcrit_alarm": "0",
}
JETSON_ORIN_NANO = {
    **zone(0, "cpu-thermal", 49500, passive=99000, critical=104500),
    **zone(1, "gpu-thermal", 50125, passive=99000, critical=104500),
    **zone(8, "tj-thermal", 50125, critical=104500),
    **clock(729600, 1510400, 1510400),
    "devices/system/cpu/cpu0/cpufreq/scaling_driver": "tegra194",
    **cooler(0, "pwm-fan", 1),
    **cooler(1, "cpufreq-cpu0", 0),
    "class/hwmon/hwmon1/name": "ina3221",
    "class/hwmon/hwmon1/in1_label": "VDD_IN",
    "class/hwmon/hwmon1/in1_input": "5064",
    "class/hwmon/hwmon1/curr1_input": "904",
    "class/hwmon/hwmon1/in2_label": "VDD_CPU_GPU_CV",
    "class/hwmon/hwmon1/in2_input": "5056",
    "class/hwmon/hwmon1/curr2_input": "120",
    "class/hwmon/hwmon1/in3_label": "VDD_SOC",
    "class/hwmon/hwmon1/in3_input": "5056",
    "class/hwmon/hwmon1/curr3_input": "280",
}
X86_GATEWAY = {
    **zone(0, "acpitz", 27800, critical=119000),
    **zone(1, "x86_pkg_temp", 52000, passive=0),
    **clock(800000, 2300000, 2900000),
    "class/hwmon/hwmon2/name": "coretemp",
    "class/hwmon/hwmon2/temp1_input": "52000",
    "class/powercap/intel-rapl:0/name": "package-0",
    "class/powercap/intel-rapl:0/energy_uj": "1000000",
    "class/powercap/intel-rapl:0/max_energy_range_uj": "262143328850",
}
WEARABLE = {
    **zone(0, "soc_thermal", 38000, passive=65000, critical=85000),
    **clock(1200000, 1200000, 1800000),
    "class/power_supply/battery/type": "Battery",
    "class/power_supply/battery/status": "Discharging",
    "class/power_supply/battery/capacity": "71",
    "class/power_supply/battery/current_now": "-310000",
    "class/power_supply/battery/voltage_now": "3850000",
    "class/power_supply/usb/type": "USB",
    "class/power_supply/hid-pen-battery/type": "Battery",
    "class/power_supply/hid-pen-battery/scope": "Device",
    "class/power_supply/hid-pen-battery/capacity": "9",
}
TWO_BATTERIES = {
    "class/power_supply/BAT0/type": "Battery",
    "class/power_supply/BAT0/status": "Discharging",
    "class/power_supply/BAT0/energy_now": "10000000",
    "class/power_supply/BAT0/energy_full": "20000000",
    "class/power_supply/BAT0/power_now": "6000000",
    "class/power_supply/BAT1/type": "Battery",
    "class/power_supply/BAT1/status": "Not charging",
    "class/power_supply/BAT1/energy_now": "60000000",
    "class/power_supply/BAT1/energy_full": "60000000",
    "class/power_supply/BAT1/power_now": "0",
}
