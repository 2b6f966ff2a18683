"""Incidents, from evidence to outcome."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any

from sqlalchemy import Select, delete, func, literal, select, tuple_

from controller.core.nouns.incident import UNCLOSED, Incident, IncidentState
from controller.store.rows import Rows, to_row
from controller.store.tables import incidents

_OLDEST_FIRST = (incidents.c.opened_unix_s, incidents.c.id)
_NEWEST_FIRST = tuple(each.desc() for each in _OLDEST_FIRST)


class IncidentRows(Rows):
    def put_incident(self, incident: Incident) -> None:
        self._put(incidents, to_row(incident))

    def put_incidents(self, changed: Iterable[Incident]) -> None:
        self._put_all(incidents, [to_row(each) for each in changed])

    def get_incident(self, incident: str) -> Incident | None:
        return self._one(Incident, select(incidents).where(incidents.c.id == incident))

    def incidents_among(self, ids: Sequence[str]) -> dict[str, Incident]:
        """Those of these ids that there are."""
        return {each.id: each for each in self._all(Incident, select(incidents).where(incidents.c.id.in_(ids)))}

    def open_incidents_among(self, devices: Sequence[str]) -> dict[str, Incident]:
        """Of each of these devices the newest without an outcome."""
        query = select(incidents).where(incidents.c.device.in_(devices), incidents.c.state.in_(UNCLOSED))
        return {each.device: each for each in self._all(Incident, query.order_by(*_OLDEST_FIRST))}

    def incidents_after(
        self,
        after: tuple[float, str] | None,
        limit: int,
        devices: Sequence[str] | None = None,
        states: Sequence[IncidentState] = (),
    ) -> list[Incident]:
        """The newest `limit` that were opened before `after`, newest first; of the same moment by id. Of these devices
        and in these states."""
        query = _asked(select(incidents), devices, states)
        if after is not None:
            older = tuple_(*_OLDEST_FIRST) < tuple_(*map(literal, after))
            query = query.where(older)
        return self._all(Incident, query.order_by(*_NEWEST_FIRST).limit(limit))

    def states_of_incidents(self, devices: Sequence[str]) -> dict[IncidentState, int]:
        """How many these devices have in each state."""
        counted = select(incidents.c.state, func.count()).where(incidents.c.device.in_(devices))
        rows = self._connection.execute(counted.group_by(incidents.c.state))
        return {IncidentState(state): count for state, count in rows}

    def count_incidents(self, devices: Sequence[str] | None = None, states: Sequence[IncidentState] = ()) -> int:
        return self._connection.scalar(_asked(select(func.count()).select_from(incidents), devices, states)) or 0

    def incidents(self, device: str | None = None, open_only: bool = False) -> list[Incident]:
        """Of `device` or of all, newest first; `open_only` leaves out those that have an outcome."""
        query = select(incidents).order_by(*_NEWEST_FIRST)
        if device is not None:
            query = query.where(incidents.c.device == device)
        return self._all(Incident, query.where(incidents.c.state.in_(UNCLOSED)) if open_only else query)

    def forget_incidents(self, device: str, before_unix_s: float, kept: Sequence[str]) -> Counter[IncidentState]:
        """Of a device those that were closed before, but for these; how many of each state went."""
        row = incidents.c
        old = (row.device == device) & (row.closed_unix_s < before_unix_s) & row.id.not_in(kept)
        gone = delete(incidents).where(old, row.state.not_in(UNCLOSED)).returning(row.state)
        return Counter(IncidentState(state) for state in self._connection.execute(gone).scalars())


def _asked(query: Select[Any], devices: Sequence[str] | None, states: Sequence[IncidentState]) -> Select[Any]:
    if devices is not None:
        query = query.where(incidents.c.device.in_(devices))
    return query.where(incidents.c.state.in_(states)) if states else query
