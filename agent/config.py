"""The agent's configuration: a YAML file, and flags of the command line that override its keys.

Relative paths in the file are relative to the file, those in flags to the working directory.
"""

from __future__ import annotations

import base64
import binascii
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from ipaddress import ip_address
from pathlib import Path
from typing import Any

from agent.choice import BY_KIND, Named
from agent.wire.errors import WireError
from agent.wire.profile import Profile, parse_profile
from agent.wire.section import Section, load_yaml
from agent.wire.units import Unit, parse_quantity

SYSFS = Path("/sys")
WINDOW_S = 30.0
SPOOL_LIMIT = 25_000  # a week and a day and a half of windows
RANDOM, NONE = "random", "none"
KEY_BYTES = 32


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    """Everything that an agent is started with. `profile_text` travels to the controller as its owner wrote it.

    `replay` is what the model is run on while no application asks. `socket` None is one in the state directory.
    `trusted_key` is a raw Ed25519 public key.
    """

    profile: Profile
    profile_text: str
    host: str
    port: int
    state: Path
    trusted_key: bytes
    sysfs: Path = SYSFS
    sensors: Named = BY_KIND
    window_s: float = WINDOW_S
    replay: Path | str = RANDOM
    http: tuple[str, int] | None = None
    socket: Path | None = None
    gflops: float | None = None
    spool_limit: int = SPOOL_LIMIT


KEYS = (
    "profile", "broker", "state", "trusted_key", "http", "socket", "sysfs", "window", "replay", "gflops",
    "spool_limit",
)  # fmt: skip
"""What may be configured; in the file `gflops` stands under `emulate`, as a flag each has dashes. The file alone names
`sensors`."""


def load_config(path: Path | None, flags: Mapping[str, str | None]) -> Config:
    """Read `path` (None: flags alone) under `flags`. Raises `WireError` naming file and line, or the flag."""
    values = _from_file(path) if path is not None else {}
    for key, text in flags.items():
        if text is not None:
            values[key] = from_flag(key, text)
    for key in ("profile", "broker", "state", "trusted_key"):
        if key not in values:
            where = f"{path}: " if path is not None else ""
            raise WireError(f"{where}'{key}' is missing; give it here or as --{key.replace('_', '-')}")
    profile_path = values.pop("profile")
    profile_text = read_text(profile_path)
    host, port = values.pop("broker")
    profile = parse_profile(profile_text, str(profile_path))
    if "window" in values:
        values["window_s"] = values.pop("window")
    return Config(profile=profile, profile_text=profile_text, host=host, port=port, **values)


def _from_file(path: Path) -> dict[str, Any]:
    top = Section(load_yaml(read_text(path), str(path)))
    readers = _readers(path.parent)
    values = {key: top.take(key, readers[key]) for key in readers if key != "gflops"}
    if (emulate := top.section("emulate")) is not None:
        values["gflops"] = emulate.take("gflops", readers["gflops"])
        emulate.done()
    if (sensors := top.section("sensors")) is not None:
        values["sensors"] = Named(**{each.name: sensors.take(each.name, _sensor) for each in fields(Named)})
        sensors.done()
    top.done()
    return {key: value for key, value in values.items() if value is not None}


def from_flag(key: str, text: str) -> Any:
    """The value of one of `KEYS` as `Config` holds it. Raises `WireError` naming the flag."""
    try:
        return _readers(Path())[key](text)
    except WireError as error:
        raise WireError(f"--{key.replace('_', '-')}: {error}") from None


def _readers(base: Path) -> dict[str, Callable[[Any], Any]]:
    """One reader a key; each takes the raw value and returns what `Config` holds. All raise `WireError`."""

    def path(value: Any) -> Path:
        return (base / str(value)).absolute()

    return {
        "profile": path,
        "broker": _broker,
        "state": path,
        "trusted_key": lambda value: _key(path(value)),
        "sysfs": path,
        "window": lambda value: _above_zero(parse_quantity(value, Unit.SECONDS), value),
        "http": _loopback,
        "socket": path,
        "replay": lambda value: str(value) if value in (RANDOM, NONE) else _file(path(value)),
        "gflops": _gflops,
        "spool_limit": _count,
    }


def _broker(value: Any) -> tuple[str, int]:
    host, _, port = str(value).rpartition(":")
    if not host or not port.isdecimal() or not 0 < int(port) < 65536:
        raise WireError(f"{value!r}: write host:port, as in 127.0.0.1:1883")
    return host.strip("[]"), int(port)


def _loopback(value: Any) -> tuple[str, int]:
    host, port = _broker(value)
    try:
        safe = ip_address("127.0.0.1" if host == "localhost" else host).is_loopback
    except ValueError:
        safe = False
    if not safe:
        raise WireError(f"{value!r}: a loopback address is needed, as in 127.0.0.1:8520; who asks is not checked")
    return host, port


def _key(path: Path) -> bytes:
    text = read_text(path).strip()
    try:
        key = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        key = b""
    if len(key) != KEY_BYTES:
        raise WireError(f"{path}: not a raw Ed25519 public key in base64 (44 characters)")
    return key


def _gflops(value: Any) -> float:
    return _above_zero(_number(value, "a number of GFLOP/s, as in 1.5,"), value)


def _sensor(value: Any) -> str:
    if not isinstance(value, str) or not value.strip():
        raise WireError(f"{value!r}: a sensor's type or path is expected, as in cpu-thermal or class/hwmon/hwmon1")
    return value.strip()


def _count(value: Any) -> int:
    number = _number(value, "a whole number above 0")
    if number < 1 or number != int(number):
        raise WireError(f"{value!r}: a whole number above 0 is allowed")
    return int(number)


def _number(value: Any, allowed: str) -> float:
    try:
        number = float(str(value))
    except ValueError:
        number = math.nan
    if not math.isfinite(number):
        raise WireError(f"{value!r}: {allowed} is allowed")
    return number


def _above_zero(number: float, value: Any) -> float:
    if number <= 0:
        raise WireError(f"{value!r}: must be above 0")
    return number


def _file(path: Path) -> Path:
    if not path.is_file():
        raise WireError(f"{path}: there is no such file")
    return path


def read_text(path: Path) -> str:
    """The text of a file; raises `WireError` that names it."""
    try:
        return path.read_text(encoding="utf-8")
    except OSError as error:
        raise WireError(f"{path}: {error.strerror}") from None
    except UnicodeDecodeError:
        raise WireError(f"{path}: not a text in UTF-8") from None
