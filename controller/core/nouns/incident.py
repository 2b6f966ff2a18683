"""A breach, followed to its end."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class BreachKind(StrEnum):
    LATENCY = "latency"
    MEMORY = "memory"
    TEMPERATURE = "temperature"
    BATTERY = "battery"


class IncidentState(StrEnum):
    OPEN = "open"
    ACTING = "acting"
    REPAIRED = "repaired"
    UNREPAIRED = "unrepaired"


UNCLOSED = (IncidentState.OPEN, IncidentState.ACTING)


@dataclass(frozen=True, slots=True, kw_only=True)
class Incident:
    """One breach followed from evidence through diagnosis and action to its outcome."""

    id: str
    device: str
    kind: BreachKind
    state: IncidentState = IncidentState.OPEN
    evidence: str = ""
    diagnosis: str = ""
    from_variant: str | None = None
    to_variant: str | None = None
    outcome: str = ""
    opened_unix_s: float = 0.0
    closed_unix_s: float | None = None

    @property
    def repaired(self) -> bool:
        return self.state is IncidentState.REPAIRED
