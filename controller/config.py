"""The controller's settings: a YAML file, overridden by flags. Everything has a default that works on one machine."""

from __future__ import annotations

from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any

from agent.wire.errors import WireError
from agent.wire.section import Section, load_yaml
from agent.wire.units import Unit
from controller.core.policy import Policy
from controller.core.retention import Retention


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """`state` holds database, artifacts and keys. `database` is an SQLAlchemy URL, None the SQLite file in `state`.

    `threads` is how many cores a job trains on.
    """

    state: Path
    broker: str = "embedded:127.0.0.1:1883"
    http: str = "127.0.0.1:8080"
    database: str | None = None
    threads: int = 1
    policy: Policy = field(default_factory=Policy)
    retention: Retention = field(default_factory=Retention)

    @property
    def database_url(self) -> str:
        return self.database or f"sqlite:///{self.state / 'hedgerow.db'}"

    @property
    def http_host(self) -> str:
        return self.http.rpartition(":")[0]

    @property
    def http_port(self) -> int:
        return int(self.http.rpartition(":")[2])


def settings(state: Path, broker: str | None, http: str | None, database: str | None) -> Settings:
    """The settings of `state/controller.yaml`, where it is there, under the flags. Raises `WireError`."""
    state = state.expanduser().resolve()
    found = Settings(state=state)
    file = state / "controller.yaml"
    if file.exists() and not _blank(text := file.read_text(encoding="utf-8")):
        found = _read(text, str(file), found)
    flags = {"broker": broker, "http": http, "database": database}
    found = replace(found, **{key: value for key, value in flags.items() if value is not None})  # type: ignore[arg-type]
    host, _, port = found.http.rpartition(":")
    if not host or not port.isdigit():
        raise WireError(f"http {found.http!r}: host:port is allowed, as in 127.0.0.1:8080")
    return found


def _blank(text: str) -> bool:
    """Nothing but comments: every default holds."""
    return all(line.strip().partition("#")[0] == "" for line in text.splitlines())


def _read(text: str, source: str, found: Settings) -> Settings:
    top = Section(load_yaml(text, source))
    found = replace(
        found,
        broker=top.text("broker") or found.broker,
        http=top.text("http") or found.http,
        database=top.text("database"),
        threads=top.take("threads", _threads) or found.threads,
        policy=_policy(top.section("policy")),
        retention=_retention(top.section("retention")),
    )
    top.done()
    return found


def _policy(section: Section | None) -> Policy:
    if section is None:
        return Policy()
    given = {each.name: section.take(each.name, _number(each.type)) for each in fields(Policy)}
    section.done()
    return Policy(**{key: value for key, value in given.items() if value is not None})


def _retention(section: Section | None) -> Retention:
    if section is None:
        return Retention()
    ages = [each.name.removesuffix("_s") for each in fields(Retention) if each.name.endswith("_s")]
    given: dict[str, Any] = {f"{name}_s": section.quantity(name, Unit.SECONDS) for name in ages}
    given["bytes"] = section.size("bytes")
    section.done()
    found = Retention(**{key: value for key, value in given.items() if value is not None})
    if found.rollups_s < found.windows_s:
        raise section.error("rollups: at least as long as windows, which are rolled up as long as they are there")
    return found


def _threads(value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise WireError(f"{value!r}: a whole number of 1 or more is allowed")
    return value


def _number(kind: Any) -> Any:
    def read(value: Any) -> int | float:
        if isinstance(value, bool) or not isinstance(value, int | float) or value < 0:
            raise WireError(f"{value!r}: a number of 0 or more is allowed")
        return int(value) if kind == "int" else float(value)

    return read
