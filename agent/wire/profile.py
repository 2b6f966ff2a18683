"""A device's profile: what its owner declares, as YAML with human units, read into SI numbers.

An error names file, line and key and says what is allowed. All of it is *declared*: the device's trial and its
telemetry are what the controller believes in the end.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from agent.wire.declarable import refuse_implausible
from agent.wire.errors import WireError
from agent.wire.labels import read_labels, read_text, refuse_unusable
from agent.wire.section import At, Section, load_yaml
from agent.wire.topics import device_id
from agent.wire.units import Unit


class Runtime(StrEnum):
    """What a device may run its models with; the first is the usual one."""

    ONNXRUNTIME = "onnxruntime"
    NCNN = "ncnn"


@dataclass(frozen=True, slots=True, kw_only=True)
class Thermal:
    """`limit_celsius` is never to be passed. The resistance is declared, or follows from tdp and rated ambient."""

    limit_celsius: float
    ambient_celsius: float
    resistance_celsius_per_watt: float
    guard_celsius: float = 0.0
    time_constant_s: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Battery:
    capacity_watt_hours: float
    lifetime_s: float
    efficiency: float = 0.9


@dataclass(frozen=True, slots=True, kw_only=True)
class Power:
    idle_watts: float
    busy_watts: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Profile:
    """A device's declared figures in SI units. `speed` is relative to the reference host that prunes (1.0)."""

    device: str
    device_class: str
    ram_total_bytes: int | None = None
    ram_model_bytes: int | None = None
    storage_bytes: int | None = None
    deadline_s: float | None = None
    rate_hz: float = 1.0
    speed: float = 1.0
    power: Power | None = None
    thermal: Thermal | None = None
    battery: Battery | None = None
    runtime: Runtime = Runtime.ONNXRUNTIME
    labels: Mapping[str, str] = field(default_factory=dict)


def parse_profile(text: str, source: str = "profile") -> Profile:
    """Read a profile's YAML `text`; `source` is the file name for errors. Raises `WireError`."""
    document = load_yaml(text, source)
    profile = _read(document)
    refuse_implausible(document)
    refuse_unusable(document)
    return profile


def accepted_profile(text: str) -> Profile:
    """A profile that was accepted before, maybe by a release with fewer rules: what it says goes on counting.

    Raises `WireError` where it cannot be read at all.
    """
    return _read(load_yaml(text, "profile"))


def _read(document: At) -> Profile:
    top = Section(document)
    device = top.need("device", top.take("device", lambda value: device_id(str(value))))
    device_class, labels = read_text(top.at("class")), read_labels(top.at("labels"))
    ram_total_bytes, ram_model_bytes = _memory(top.section("memory"))
    profile = Profile(
        device=device,
        device_class=device_class or "device",
        labels=labels,
        ram_total_bytes=ram_total_bytes,
        ram_model_bytes=ram_model_bytes,
        storage_bytes=top.size("storage"),
        deadline_s=top.quantity("deadline", Unit.SECONDS),
        rate_hz=top.quantity("rate", Unit.HERTZ) or 1.0,
        speed=top.quantity("speed", Unit.SHARE) or 1.0,
        power=_power(top.section("power")),
        thermal=_thermal(top.section("thermal")),
        battery=_battery(top.section("battery")),
        runtime=top.take("runtime", runtime_of) or Runtime.ONNXRUNTIME,
    )
    top.done()
    if (profile.thermal or profile.battery) and profile.power is None:
        raise top.error("'thermal' and 'battery' need 'power: {idle, busy}' to turn watts into a latency")
    return profile


def _memory(section: Section | None) -> tuple[int | None, int | None]:
    if section is None:
        return None, None
    total, model = section.size("total"), section.size("model")
    section.done()
    return total, model


def _power(section: Section | None) -> Power | None:
    if section is None:
        return None
    idle = section.need("idle", section.quantity("idle", Unit.WATTS))
    busy = section.need("busy", section.quantity("busy", Unit.WATTS))
    section.done()
    if busy <= idle:
        raise section.error(f"busy ({busy:g} W) must be above idle ({idle:g} W)")
    return Power(idle_watts=idle, busy_watts=busy)


def _thermal(section: Section | None) -> Thermal | None:
    if section is None:
        return None
    limit = section.need("limit", section.quantity("limit", Unit.CELSIUS, low=None))
    ambient = section.need("ambient", section.quantity("ambient", Unit.CELSIUS, low=None))
    guard = section.quantity("guard", Unit.CELSIUS, low=-1e-9) or 0.0
    resistance = section.quantity("resistance", Unit.CELSIUS_PER_WATT)
    tdp, rated = section.quantity("tdp", Unit.WATTS), section.quantity("rated_ambient", Unit.CELSIUS, low=None)
    time_constant = section.quantity("time_constant", Unit.SECONDS)
    section.done()
    if resistance is None:
        if tdp is None or rated is None or limit <= rated:
            raise section.error("give 'resistance', or 'tdp' and a 'rated_ambient' below 'limit'")
        resistance = (limit - rated) / tdp
    return Thermal(
        limit_celsius=limit,
        ambient_celsius=ambient,
        guard_celsius=guard,
        resistance_celsius_per_watt=resistance,
        time_constant_s=time_constant,
    )


def _battery(section: Section | None) -> Battery | None:
    if section is None:
        return None
    capacity = section.need("capacity", section.quantity("capacity", Unit.WATT_HOURS))
    lifetime = section.need("lifetime", section.quantity("lifetime", Unit.SECONDS))
    efficiency = section.quantity("efficiency", Unit.SHARE) or 0.9
    section.done()
    if efficiency > 1:
        raise section.error(f"efficiency {efficiency:g}: at most 1 (100 %)")
    return Battery(capacity_watt_hours=capacity, lifetime_s=lifetime, efficiency=efficiency)


def runtime_of(value: Any) -> Runtime:
    """Raises `WireError`."""
    try:
        return Runtime(value)
    except ValueError:
        raise WireError(f"{value!r}: one of {', '.join(Runtime)} is allowed") from None
