"""What the fit says of a model for each device that a selector matches: by the fleet in memory, as the loop decides for
a rollout that starts now, but for what a device was given before and measured itself.

The loop only hands out what it goes by, a few devices at a time; who asked works it out, and no turn waits for that.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Protocol, TypeVar

from controller.core.catalog import Catalog, catalog_of
from controller.core.fit import fit
from controller.core.intents import IntentError
from controller.core.nouns.device import Device
from controller.core.nouns.placement import Placement
from controller.core.place import placement_of, told
from controller.core.selector import Selector
from controller.loop import pages
from controller.loop.fleet import Fleet

T = TypeVar("T")
_TOGETHER = 1000


class Look(Protocol):
    def __call__(self, look: Callable[[Fleet], T]) -> T:
        """What it finds in the fleet, between two turns."""


@dataclass(frozen=True, slots=True)
class Plan:
    """By what the `catalog` has. Nobody is placed by it."""

    catalog: Catalog
    rows: list[tuple[Device, Placement]]


def planned(look: Look, model: str, wanted: Selector, attempts: int, now_unix_s: float) -> Plan:
    """Of a `model` (a full ref). Raises `IntentError` where it is not known."""
    catalog = look(lambda fleet: _catalog(fleet, model))
    if catalog is None:
        raise IntentError(404, f"model {model!r} is not known; 'model list' shows those that are")
    rows = list[tuple[Device, Placement]]()
    for device in _devices(look, wanted):
        found = fit(device.profile, device.calibration, catalog, attempts)
        rows.append((device, told(device, placement_of(device.id, model, found, now_unix_s))))
    return Plan(catalog, rows)


def _catalog(fleet: Fleet, model: str) -> Catalog | None:
    """One whose answers are worked out in the thread of who asked: the loop's own keeps what it found."""
    known, found = fleet.models.get(model), fleet.catalogs.get(model)
    if known is None or found is not None:
        return None if found is None else replace(found)
    return catalog_of(known, fleet.variants.values(), fleet.jobs.values())


def _devices(look: Look, wanted: Selector) -> Iterator[Device]:
    """Those that match now, as each is by the time that it is handed out."""
    names, _ = look(lambda fleet: pages.all_devices(fleet, wanted))
    for at in range(0, len(names), _TOGETHER):
        yield from look(_known(names[at : at + _TOGETHER]))


def _known(names: Sequence[str]) -> Callable[[Fleet], list[Device]]:
    """Of these the ones that there still are."""
    return lambda fleet: [fleet.devices[each] for each in names if each in fleet.devices]
