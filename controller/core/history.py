"""The incidents of one device as rules ask for them: the open one, and those that count against another one."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from controller.core.nouns.incident import UNCLOSED, Incident
from controller.core.policy import DAY_S


@dataclass(frozen=True, slots=True)
class History:
    """`past` are closed: the one that closed last, and those that were opened within a day of the newest."""

    open: Incident | None = None
    past: tuple[Incident, ...] = ()

    def get(self, incident: str) -> Incident | None:
        """The one of this id, where it still counts."""
        known = (self.open, *self.past)
        return next((each for each in known if each is not None and each.id == incident), None)

    def with_(self, incident: Incident) -> History:
        """After what is new of one incident."""
        past = [each for each in self.past if each.id != incident.id]
        is_open = incident.state in UNCLOSED
        others = self.open if self.open is not None and self.open.id != incident.id else None
        return History(incident if is_open else others, _remembered(past if is_open else [incident, *past]))


def histories(incidents: Iterable[Incident]) -> dict[str, History]:
    """Of each device that ever had one; `incidents` may come in any order."""
    found = dict[str, History]()
    for each in sorted(incidents, key=lambda each: (each.opened_unix_s, each.id)):
        found[each.device] = found.get(each.device, History()).with_(each)
    return found


def _remembered(past: list[Incident]) -> tuple[Incident, ...]:
    if not past:
        return ()
    newest = max(each.opened_unix_s for each in past)
    last = max(past, key=lambda each: each.closed_unix_s or 0.0)
    return tuple(each for each in past if each is last or newest - each.opened_unix_s < DAY_S)
