"""Telemetry, apart from the facts: windows in parts of one day each, so that to forget a day is to drop a part.

The newest part is *hot*: rows are only added to it, and it has no index but their ids, which count up over all parts.
A row names the one of the same device before it, and the newest one of each device is known, so that its last windows
are found link by link. A part that is no longer the newest gets an index in the background.

On SQLite a part is a file of its own, with a transaction of its own that is committed *before* that of the facts; on
PostgreSQL it is a table, and there is one transaction.
"""

from controller.store.telemetry.session import Session
from controller.store.telemetry.telemetry import Telemetry

__all__ = ["Session", "Telemetry"]
