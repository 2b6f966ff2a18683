"""A YAML file being read strictly: every value knows its line, and a key that nobody takes is an error.

Profiles and configurations are read with it, so that their errors look alike: `file:line: key: what is allowed`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import yaml

from agent.wire.errors import WireError
from agent.wire.units import Unit, parse_quantity


@dataclass(frozen=True, slots=True)
class At:
    """A YAML value with the line it stands on, so that an error can name it."""

    source: str
    key: str
    line: int
    value: Any

    def error(self, message: str) -> WireError:
        where = f"{self.source}:{self.line}"
        return WireError(f"{where}: {self.key}: {message}" if self.key else f"{where}: {message}")


class Section:
    """A YAML mapping being read: takes keys one by one and refuses those that nobody took."""

    def __init__(self, at: At) -> None:
        if not isinstance(at.value, dict):
            raise at.error("a mapping of keys is expected here")
        self._at, self._rest, self._known = at, dict(at.value), list[str]()

    def quantity(self, key: str, unit: Unit, low: float | None = 0.0) -> float | None:
        def read(value: Any) -> float:
            number = parse_quantity(value, unit)
            if low is not None and number <= low:
                raise WireError(f"{value!r}: must be above {low:g}")
            return number

        number: float | None = self.take(key, read)
        return number

    def size(self, key: str) -> int | None:
        number = self.quantity(key, Unit.BYTES)
        return None if number is None else int(number)

    def section(self, key: str) -> Section | None:
        self._known.append(key)
        at = self._rest.pop(key, None)
        return None if at is None else Section(at)

    def take(self, key: str, read: Callable[[Any], Any]) -> Any:
        self._known.append(key)
        at = self._rest.pop(key, None)
        if at is None:
            return None
        try:
            return read(plain(at))
        except WireError as error:
            raise at.error(str(error)) from None

    def need(self, key: str, value: Any) -> Any:
        if value is None:
            raise self._at.error(f"'{key}' is missing")
        return value

    def done(self) -> None:
        for at in self._rest.values():
            raise at.error(f"unknown key; allowed here: {', '.join(self._known)}")

    def error(self, message: str) -> WireError:
        return self._at.error(message)


def load_yaml(text: str, source: str) -> At:
    """The document in `text`; `source` names it in errors. Raises `WireError` where it is empty or not YAML."""
    try:
        node = yaml.compose(text, Loader=yaml.SafeLoader)
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        raise WireError(f"{source}:{line}: not YAML: {error.problem}") from None
    except yaml.YAMLError as error:
        raise WireError(f"{source}: not YAML: {error}") from None
    if node is None:
        raise WireError(f"{source}:1: the file is empty")
    return _located(node, source, "", yaml.SafeLoader(""))


def _located(node: yaml.Node, source: str, key: str, loader: yaml.SafeLoader) -> At:
    line = node.start_mark.line + 1
    if not isinstance(node, yaml.MappingNode):
        return At(source, key, line, loader.construct_object(node, deep=True))
    items: dict[str, At] = {}
    for name, child in node.value:
        path = f"{key}.{name.value}" if key else str(name.value)
        if name.value in items:
            raise At(source, path, name.start_mark.line + 1, None).error("stands here twice")
        items[name.value] = _located(child, source, path, loader)
    return At(source, key, line, items)


def plain(at: At) -> Any:
    if isinstance(at.value, dict):
        return {key: plain(child) for key, child in at.value.items()}
    return at.value
