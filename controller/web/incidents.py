"""A page of incidents. They are not in memory: the database has which match, and the loop whose are meant."""

from __future__ import annotations

from collections.abc import Sequence
from heapq import nlargest

from controller.core.nouns.incident import Incident, IncidentState
from controller.core.selector import Selector
from controller.loop import pages
from controller.loop.pages import Age, Page, age_in, page_by_age
from controller.store import Tx
from controller.web.pages import Asked
from controller.web.port import ControllerPort

_AT_ONCE = 10_000  # ids in one query: each is a parameter, and a database takes so many


def incidents_page(
    port: ControllerPort, asked: Asked, wanted: Selector, states: Sequence[IncidentState]
) -> tuple[Page, list[Incident]]:
    """Newest first."""
    last = age_in(asked.after)
    if not wanted.requirements:
        total, commit = port.look(lambda fleet: pages.incidents(fleet, states))
        with port.read() as tx:
            rows = tx.incidents_after(last, asked.limit + 1, None, states)
        return _page(rows, asked, total, commit), rows
    devices, commit = port.look(lambda fleet: pages.all_devices(fleet, wanted))
    with port.read() as tx:
        total, rows = _of(tx, devices, last, asked.limit + 1, states)
    return _page(rows, asked, total, commit), rows


def _of(
    tx: Tx, devices: Sequence[str], last: Age | None, limit: int, states: Sequence[IncidentState]
) -> tuple[int, list[Incident]]:
    total, rows = 0, list[Incident]()
    for at in range(0, len(devices), _AT_ONCE):
        some = devices[at : at + _AT_ONCE]
        total += tx.count_incidents(some, states)
        rows += tx.incidents_after(last, limit, some, states)
    return total, nlargest(limit, rows, key=_age)


def _age(incident: Incident) -> Age:
    return incident.opened_unix_s, incident.id


def _page(rows: Sequence[Incident], asked: Asked, total: int, commit: int) -> Page:
    return page_by_age([*map(_age, rows)], total, asked.limit, commit)
