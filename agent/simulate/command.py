"""`agent simulate`: from its flags to a plan, and the plan until told to end."""

from __future__ import annotations

import resource
import time
from collections.abc import Callable, Mapping
from typing import Any

from agent.config import from_flag, read_text
from agent.simulate.fleet import Fleet, Plan, named
from agent.simulate.surroundings import parse_surroundings
from agent.wire.errors import WireError
from agent.wire.profile import parse_profile
from agent.wire.units import Unit, parse_quantity

SAY_EVERY_S = 5.0
_OTHER_FILES = 64  # what the process has open beside one connection a device


def plan_of(flags: Mapping[str, Any]) -> Plan:
    """What the flags ask for. Raises `WireError`."""
    host, port = from_flag("broker", flags["broker"])
    loss = parse_quantity(flags["loss"] or "0", Unit.SHARE)
    if not 0 <= loss < 1:
        raise WireError(f"--loss {flags['loss']}: at least 0 % and under 100 %")
    plan = Plan(
        count=_count(flags["count"]),
        profiles=[read_text(path) for path in flags["profile"]],
        host=host,
        port=port,
        trusted_key=from_flag("trusted_key", flags["trusted_key"]),
        prefix=flags["prefix"] or "sim",
        surroundings=parse_surroundings(flags["physics"]),
        loss=loss,
        cut_s=None if flags["cut"] is None else from_flag("window", flags["cut"]),
        window_s=from_flag("window", flags["window"]),
        seed=_seed(flags["seed"] or "0"),
    )
    for path, profile in zip(flags["profile"], plan.profiles, strict=True):
        parse_profile(profile, str(path))
        named(profile, f"{plan.prefix}-0")
    return plan


def run(plan: Plan, goes_on: Callable[[], bool], say: Callable[[str], object]) -> None:
    """Live until `goes_on` says no, and say how it goes whenever that has changed, and how it was at the end."""
    fleet, began_s = Fleet(plan), time.monotonic()
    say_s, told, ending = began_s + SAY_EVERY_S, "", False
    while not ending:
        ending = not goes_on()
        fleet.turn()
        if ending or time.monotonic() >= say_s:
            say_s += SAY_EVERY_S
            text = str(fleet.tally())
            if text != told:
                say(f"{time.monotonic() - began_s:6.0f} s: {text}")
            told = text
    fleet.stop()


def _count(count: int) -> int:
    """Raises `WireError` where so many connections are not to be had."""
    if count < 1:
        raise WireError(f"--count {count}: at least one device")
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    need = count + _OTHER_FILES
    if hard != resource.RLIM_INFINITY and need > hard:
        raise WireError(f"--count {count}: needs {need} open files, {hard} are allowed; `ulimit -Hn` says so")
    if need > soft:
        resource.setrlimit(resource.RLIMIT_NOFILE, (need, hard))
    return count


def _seed(text: str) -> int:
    if not text.isdecimal():
        raise WireError(f"--seed {text}: a whole number from 0 on is allowed")
    return int(text)
