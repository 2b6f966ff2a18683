"""What live pages are sent: one reading of the store a tick, shared by all who watch; to each what is new to them."""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass

import msgspec

from controller.web.device_views import device_view
from controller.web.facts import all_facts
from controller.web.overview import overview
from controller.web.port import ControllerPort

_FRESH_S = 0.9


@dataclass(frozen=True, slots=True)
class Snapshot:
    """Each device's view and the overview, as JSON already, so that comparing and sending cost little."""

    devices: Mapping[str, bytes]
    overview: bytes
    read_monotonic_s: float


class Feed:
    """`snapshot` is called by many threads; while nobody watches, nothing is read. `stopping` ends every stream."""

    def __init__(self, port: ControllerPort) -> None:
        self.stopping = threading.Event()
        self._port = port
        self._lock = threading.Lock()
        self._last: Snapshot | None = None

    def snapshot(self) -> Snapshot:
        with self._lock:
            if self._last is None or time.monotonic() - self._last.read_monotonic_s > _FRESH_S:
                self._last = self._read()
            return self._last

    def _read(self) -> Snapshot:
        presences = self._port.presences()
        with self._port.read() as tx:
            facts, fleet = all_facts(tx, presences), overview(tx, self._port)
        devices = {each.device.id: msgspec.json.encode(device_view(each)) for each in facts}
        return Snapshot(devices, msgspec.json.encode(fleet), time.monotonic())


def changes(sent: Snapshot | None, now: Snapshot) -> str | None:
    """What `now` has that `sent` had not, as one line of JSON; None where nothing changed."""
    known: Mapping[str, bytes] = {} if sent is None else sent.devices
    rows = [row for device, row in now.devices.items() if known.get(device) != row]
    same_overview = sent is not None and sent.overview == now.overview
    if not rows and same_overview:
        return None
    fleet = b"" if same_overview else b',"overview":' + now.overview
    return (b'{"devices":[' + b",".join(rows) + b"]" + fleet + b"}").decode()
