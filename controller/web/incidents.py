"""A page of incidents. They are not in memory: the database has which match, and the loop whose are meant."""

from __future__ import annotations

from collections.abc import Sequence
from heapq import nlargest

from controller.core.nouns.incident import Incident, IncidentState
from controller.core.selector import Selector
from controller.loop import pages
from controller.loop.pages import Page
from controller.store import Tx
from controller.web.answers import found
from controller.web.pages import Asked
from controller.web.port import ControllerPort

_AT_ONCE = 10_000  # ids in one query: each is a parameter, and a database takes so many


def incidents_page(
    port: ControllerPort, asked: Asked, wanted: Selector, states: Sequence[IncidentState]
) -> tuple[Page, list[Incident]]:
    """Newest first."""
    if not wanted.requirements:
        total, commit = port.look(lambda fleet: pages.incidents(fleet, states))
        with port.read() as tx:
            rows = tx.incidents_after(_last(tx, asked), asked.limit + 1, None, states)
        return _page(rows, asked, total, commit), rows
    devices, commit = port.look(lambda fleet: pages.all_devices(fleet, wanted))
    with port.read() as tx:
        total, rows = _of(tx, devices, _last(tx, asked), asked.limit + 1, states)
    return _page(rows, asked, total, commit), rows


def _of(
    tx: Tx, devices: Sequence[str], last: Incident | None, limit: int, states: Sequence[IncidentState]
) -> tuple[int, list[Incident]]:
    total, rows = 0, list[Incident]()
    for at in range(0, len(devices), _AT_ONCE):
        some = devices[at : at + _AT_ONCE]
        total += tx.count_incidents(some, states)
        rows += tx.incidents_after(last, limit, some, states)
    return total, nlargest(limit, rows, key=lambda each: (each.opened_unix_s, each.id))


def _last(tx: Tx, asked: Asked) -> Incident | None:
    return found(tx.get_incident(asked.after), "incident", asked.after) if asked.after else None


def _page(rows: Sequence[Incident], asked: Asked, total: int, commit: int) -> Page:
    return Page([each.id for each in rows[: asked.limit]], total, len(rows) > asked.limit, commit)
