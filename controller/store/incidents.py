"""Incidents, from evidence to outcome."""

from __future__ import annotations

from collections.abc import Iterable

from sqlalchemy import select

from controller.core.nouns.incident import UNCLOSED, Incident
from controller.store.rows import Rows, to_row
from controller.store.tables import incidents


class IncidentRows(Rows):
    def put_incident(self, incident: Incident) -> None:
        self._put(incidents, to_row(incident))

    def put_incidents(self, changed: Iterable[Incident]) -> None:
        self._put_all(incidents, [to_row(each) for each in changed])

    def get_incident(self, incident: str) -> Incident | None:
        return self._one(Incident, select(incidents).where(incidents.c.id == incident))

    def incidents(self, device: str | None = None, open_only: bool = False) -> list[Incident]:
        """Of `device` or of all, newest first; `open_only` leaves out those that have an outcome."""
        query = select(incidents).order_by(incidents.c.opened_unix_s.desc(), incidents.c.id.desc())
        if device is not None:
            query = query.where(incidents.c.device == device)
        return self._all(Incident, query.where(incidents.c.state.in_(UNCLOSED)) if open_only else query)
