"""A YAML file being read strictly: every value knows its line, and a key that nobody takes is an error.

Profiles and configurations are read with it, so that their errors look alike: `file:line: key: what is allowed`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import yaml

from agent.wire.errors import WireError
from agent.wire.units import Unit, parse_quantity

_MAX_DEPTH = 16
_MAX_BYTES = 2**50


@dataclass(frozen=True, slots=True)
class At:
    """A YAML value with the line it stands on, so that an error can name it, and a scalar's text as it was written."""

    source: str
    key: str
    line: int
    value: Any
    written: str | None = None

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
        if number is not None and number > _MAX_BYTES:
            raise self._at.error(f"{key}: at most 1024 TiB")
        return None if number is None else int(number)

    def at(self, key: str) -> At | None:
        """What stands at `key`, taken but not read."""
        self._known.append(key)
        found: At | None = self._rest.pop(key, None)
        return found

    def section(self, key: str) -> Section | None:
        at = self.at(key)
        return None if at is None else Section(at)

    def take(self, key: str, read: Callable[[Any], Any]) -> Any:
        at = self.at(key)
        if at is None:
            return None
        try:
            return read(plain(at))
        except WireError as error:
            raise at.error(str(error)) from None

    def text(self, key: str) -> str | None:
        """The text as it was written: YAML takes NO for false and 1.10 for 1.1."""
        at = self.at(key)
        return None if at is None else as_written(at)

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
    """The document in `text`; `source` names it in errors. Raises `WireError` where it is empty or not YAML.

    Profiles come from devices too: whatever stands in `text`, nothing else is raised, and little memory is used.
    """
    try:
        _refuse_excess(text, source)
        node = yaml.compose(text, Loader=yaml.SafeLoader)
        if node is None:
            raise WireError(f"{source}:1: the file is empty")
        return _located(node, source, "", yaml.SafeLoader(""))
    except yaml.MarkedYAMLError as error:
        raise WireError(f"{source}:{_line(error.problem_mark)}: not YAML: {error.problem}") from None
    except yaml.YAMLError as error:
        raise WireError(f"{source}: not YAML: {' '.join(str(error).split())}") from None


def _line(mark: Any) -> int:
    return 1 if mark is None else int(mark.line) + 1


def _refuse_excess(text: str, source: str) -> None:
    """An alias may stand for gigabytes or for itself, and the parser recurses as deep as its text does."""
    depth = 0
    for event in yaml.parse(text, Loader=yaml.SafeLoader):
        where = f"{source}:{_line(event.start_mark)}"
        if isinstance(event, yaml.AliasEvent):
            raise WireError(f"{where}: an alias (*{event.anchor}) is not read here; write the value out")
        depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
        if depth > _MAX_DEPTH:
            raise WireError(f"{where}: nested more than {_MAX_DEPTH} deep")


def _located(node: yaml.Node, source: str, key: str, loader: yaml.SafeLoader) -> At:
    at = At(source, key, node.start_mark.line + 1, None)
    if not isinstance(node, yaml.MappingNode):
        written = node.value if isinstance(node, yaml.ScalarNode) else None
        return replace(at, value=_value(at, node, loader), written=written)
    items: dict[str, At] = {}
    for name, child in node.value:
        if not isinstance(name, yaml.ScalarNode):
            raise replace(at, line=name.start_mark.line + 1).error("a key is a word")
        path = f"{key}.{name.value}" if key else str(name.value)
        if name.value in items:
            raise At(source, path, name.start_mark.line + 1, None).error("stands here twice")
        items[name.value] = _located(child, source, path, loader)
    return replace(at, value=items)


def _value(at: At, node: yaml.Node, loader: yaml.SafeLoader) -> Any:
    try:
        return loader.construct_object(node, deep=True)
    except (yaml.YAMLError, ValueError, TypeError, ArithmeticError):  # a date that is none, a tag that we do not know
        raise at.error("this value cannot be read; put it in quotes") from None


def as_written(at: At) -> str:
    """The text of a scalar. Raises `WireError` for anything else, and for nothing."""
    if at.written is None or at.value is None:
        raise at.error("a text is expected here; write it in quotes")
    return at.written


def find(at: At, path: str) -> At | None:
    """What stands at `path`, as in `power.idle`, below a mapping; None where nothing does."""
    for key in path.split("."):
        below = at.value.get(key) if isinstance(at.value, dict) else None
        if below is None:
            return None
        at = below
    return at


def plain(at: At) -> Any:
    if isinstance(at.value, dict):
        return {key: plain(child) for key, child in at.value.items()}
    return at.value
