"""Which devices are meant: `site=north,class=camera`; every part must match, and no part at all means every device."""

from __future__ import annotations

import re
from dataclasses import dataclass

from agent.wire.errors import WireError
from controller.core.types import Device

_PART = re.compile(r"\s*([A-Za-z0-9_./-]+)\s*=\s*([^,=]*?)\s*")


@dataclass(frozen=True, slots=True)
class Selector:
    """Requirements by key: `id` and `class` are the device's own, any other key is a label."""

    requirements: tuple[tuple[str, str], ...] = ()

    def matches(self, device: Device) -> bool:
        return all(_value(device, key) == value for key, value in self.requirements)

    def __str__(self) -> str:
        return ",".join(f"{key}={value}" for key, value in self.requirements)


def parse_selector(text: str) -> Selector:
    """Read a selector; raises `WireError` that says how one is written."""
    parts = text.split(",") if text.strip() else []
    requirements = dict[str, str]()
    for part in parts:
        match = _PART.fullmatch(part)
        if match is None or not match[2]:
            raise WireError(
                f"selector {text!r}: {part!r} is not KEY=VALUE; write as in site=north,class=camera or id=cam-1"
            )
        if match[1] in requirements:
            raise WireError(f"selector {text!r}: {match[1]!r} stands here twice, and a device has one value of it")
        requirements[match[1]] = match[2]
    return Selector(tuple(requirements.items()))


def _value(device: Device, key: str) -> str | None:
    if key == "id":
        return device.id
    return device.device_class if key == "class" else device.labels.get(key)
