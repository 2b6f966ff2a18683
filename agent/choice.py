"""Which sensor measures a quantity: by what its driver says it is, or as the owner named it, never by its value."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Generic, TypeVar

T_co = TypeVar("T_co", covariant=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class Named:
    """What the owner named for a quantity: a sensor's type, its label, or a path below the sensors' root."""

    temperature: str | None = None
    power: str | None = None
    battery: str | None = None


BY_KIND = Named()
"""Nothing is named: each is known by what it measures."""


@dataclass(frozen=True)
class Sensor:
    """One sensor that was found, not yet read. `names` are its driver's and its label's words, `source` is for people.

    The lowest `rank` goes first. `unfit` tells why it is taken only where it is named; empty where it may be.
    """

    path: Path
    names: tuple[str, ...]
    source: str
    look: Callable[[], float | None]
    rank: int = 0
    unfit: str = ""

    @cached_property
    def value(self) -> float | None:
        """Read once, and only if somebody asks: some sensors wake what they measure."""
        return self.look()


@dataclass(frozen=True, slots=True)
class Choice:
    """`left` are sensors that were not taken, each with why. `fault` tells that the named one is not there."""

    taken: tuple[Sensor, ...] = ()
    left: tuple[tuple[Sensor, str], ...] = ()
    fault: str = ""


@dataclass(frozen=True, slots=True)
class Found(Generic[T_co]):
    """A value, a number's in SI units (or degrees Celsius), and where it comes from.

    `source` empty: there is no sensor. `why` tells why there is no value although there is one; `left` and `fault` are
    those of the choice, in words.
    """

    value: T_co
    source: str
    why: str = ""
    left: tuple[str, ...] = ()
    fault: str = ""


def choose(sensors: Sequence[Sensor], named: str | None, root: Path) -> Choice:
    """The named ones, or of all that are fit those of the lowest rank."""
    if named is not None:
        taken = tuple(each for each in sensors if _is(each, named, root))
        fault = "" if taken else _not_there(sensors, named)
        left = [(each, f"{named} is named in the configuration") for each in sensors if each not in taken]
        return Choice(taken, tuple(left) if taken else (), fault)
    fit = [each for each in sensors if not each.unfit]
    best = min((each.rank for each in fit), default=0)
    taken = tuple(each for each in fit if each.rank == best)
    first = ", ".join(dict.fromkeys(each.source for each in taken))
    return Choice(taken, tuple((each, each.unfit or f"{first} goes first") for each in sensors if each not in taken))


def words(choice: Choice) -> tuple[str, ...]:
    """What was left, for people."""
    return tuple(dict.fromkeys(f"{sensor.source}: {why}" for sensor, why in choice.left))


def _is(sensor: Sensor, named: str, root: Path) -> bool:
    if "/" not in named:
        return named in sensor.names
    wanted = Path(os.path.realpath(root / named))
    return Path(os.path.realpath(sensor.path)).is_relative_to(wanted)


def _not_there(sensors: Sequence[Sensor], named: str) -> str:
    there = ", ".join(dict.fromkeys(each.names[0] for each in sensors if each.names))
    return f"no {named!r} is there; {f'there is: {there}' if there else 'there is no sensor of this kind at all'}"
