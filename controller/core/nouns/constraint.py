"""What can bind a device."""

from __future__ import annotations

from enum import StrEnum


class Constraint(StrEnum):
    """What can bind a device. The first two are a profile's memory caps, the rest the sources of its others."""

    RAM_TOTAL = "ram.total"
    RAM_MODEL = "ram.model"
    STORAGE = "storage"
    DEADLINE = "deadline"
    RATE = "rate"
    THERMAL = "thermal"
    BATTERY = "battery"
    ACCURACY = "accuracy"
    NONE = "none"
