"""What those who watch are sent: of what the loop says has changed, the rows as they are now.

A row is read once a tick, whoever asks for it; while nobody watches nothing is read at all. Who is slow is told later,
and of more at once; who is too slow begins anew.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import msgspec

from controller.loop.changes import News
from controller.store import Tx
from controller.web.device_views import device_view
from controller.web.facts import facts_among
from controller.web.job_views import job_view
from controller.web.overview import health_view
from controller.web.port import ControllerPort
from controller.web.views import bulk_view, incident_view, rollout_view

TICK_S = 0.5
_MOST = 1000  # rows in one event, and in one query

Read = Callable[[ControllerPort, Tx, list[str]], dict[str, Any]]
_READ: Mapping[str, Read] = {
    "devices": lambda port, tx, ids: {
        name: device_view(each) for name, each in facts_among(tx, ids, port.presence).items()
    },
    "incidents": lambda _, tx, ids: {name: incident_view(each) for name, each in tx.incidents_among(ids).items()},
    "rollouts": lambda _, tx, ids: {name: rollout_view(each) for name, each in tx.rollouts_among(ids).items()},
    "jobs": lambda _, tx, ids: {name: job_view(each) for name, each in tx.jobs_among(ids).items()},
    "bulks": lambda _, tx, ids: {name: bulk_view(each) for name, each in tx.bulks_among(ids).items()},
}


@dataclass(frozen=True, slots=True)
class Event:
    """As it is sent. Who has it knows all up to `commit`, and these `counts`."""

    kind: str
    commit: int
    data: bytes
    counts: bytes

    def text(self) -> str:
        return f"event: {self.kind}\nid: {self.commit}\ndata: {self.data.decode()}\n\n"


class Feed:
    """Asked by many threads. `stopping` ends every stream."""

    def __init__(self, port: ControllerPort) -> None:
        self.stopping = threading.Event()
        self._port, self._lock = port, threading.Lock()
        self._until, self._ticked_s = 0, 0.0
        self._rows, self._counts = dict[tuple[str, str], bytes](), b""

    def now(self) -> int:
        """The number of the newest commit."""
        return self._port.changes.last

    def after(self, since: int, counts: bytes = b"", only: Collection[str] | None = None) -> Event | None:
        """What is new to whoever knows all up to the commit `since`, and these `counts`; None where nothing is.

        Of devices `only` these, where it is said; commits that changed others are news without a row, as who knows them
        goes on from there. An event of the kind `reset` says that nobody remembers so much.
        """
        with self._lock:
            self._tick()
            news = self._port.changes.since(since, self._until, only, _MOST)
            if news is None:
                commit = self.now()
                return Event("reset", commit, b'{"commit":%d}' % commit, b"")
            if news.commit == since and counts == self._counts:
                return None
            return Event("changed", news.commit, self._told(news, counts), self._counts)

    def _tick(self) -> None:
        """All who ask within one are told of the same commits."""
        if time.monotonic() - self._ticked_s >= TICK_S:
            self._rows.clear()
            self._until, self._counts = self.now(), msgspec.json.encode(health_view(self._port))
            self._ticked_s = time.monotonic()

    def _told(self, news: News, counts: bytes) -> bytes:
        gone, parts = dict[str, list[str]](), [b'"commit":%d' % news.commit]
        for kind in _READ:
            names = [*getattr(news, kind)]
            rows = self._read(kind, names)
            if rows:
                parts.append(b'"%s":[%s]' % (kind.encode(), b",".join(rows.values())))
            if len(rows) < len(names):
                gone[kind] = [each for each in names if each not in rows]
        if gone:
            parts.append(b'"gone":' + msgspec.json.encode(gone))
        if counts != self._counts:
            parts.append(b'"counts":' + self._counts)
        return b"{%s}" % b",".join(parts)

    def _read(self, kind: str, names: list[str]) -> dict[str, bytes]:
        missing = [each for each in names if (kind, each) not in self._rows]
        for some in _by_the(_MOST, missing):
            with self._port.read() as tx:
                found = _READ[kind](self._port, tx, some)
            self._rows.update({(kind, name): msgspec.json.encode(row) for name, row in found.items()})
        return {each: self._rows[kind, each] for each in names if (kind, each) in self._rows}


def _by_the(most: int, names: list[str]) -> Iterable[list[str]]:
    return (names[at : at + most] for at in range(0, len(names), most))
