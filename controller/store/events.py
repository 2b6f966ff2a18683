"""What devices say happened to them, and the messages that nobody could read."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import delete, insert, select

from controller.store.rows import Rows
from controller.store.tables import dead_letters, events

MAX_PAYLOAD_BYTES = 4096
MAX_TEXT = 1024
KEPT_DEAD_LETTERS = 1000


@dataclass(frozen=True, slots=True)
class StoredEvent:
    device: str
    boot: str
    kind: str
    message: str
    unix_s: float


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """A message that broke the contract: the first `MAX_PAYLOAD_BYTES` of it, and why it was refused."""

    topic: str
    payload: bytes
    reason: str
    unix_s: float


class EventRows(Rows):
    def add_event(self, device: str, boot: str, kind: str, message: str, unix_s: float) -> None:
        row = {"device": device, "boot": boot, "kind": kind, "message": message[:MAX_TEXT], "unix_s": unix_s}
        self._connection.execute(insert(events).values(row))

    def events(self, device: str | None = None, limit: int = 100) -> list[StoredEvent]:
        """The last events of `device` or of all, newest first."""
        query = select(events).order_by(events.c.id.desc()).limit(limit)
        if device is not None:
            query = query.where(events.c.device == device)
        return self._all(StoredEvent, query)

    def forget_events(self, device: str, before_unix_s: float) -> None:
        """What a device told before."""
        its = (events.c.device == device) & (events.c.unix_s < before_unix_s)
        self._connection.execute(delete(events).where(its))

    def forget_dead_letters(self, before_unix_s: float) -> None:
        self._connection.execute(delete(dead_letters).where(dead_letters.c.unix_s < before_unix_s))

    def add_dead_letter(self, topic: str, payload: bytes, reason: str, unix_s: float) -> None:
        """Keep it bounded in size and in number: who floods the controller with garbage does not fill its disk."""
        row = {
            "topic": topic[:MAX_TEXT],
            "payload": payload[:MAX_PAYLOAD_BYTES],
            "reason": reason[:MAX_TEXT],
            "unix_s": unix_s,
        }
        key = self._connection.execute(insert(dead_letters).values(row)).inserted_primary_key
        assert key is not None
        self._connection.execute(delete(dead_letters).where(dead_letters.c.id <= key[0] - KEPT_DEAD_LETTERS))

    def dead_letters(self, limit: int = 100) -> list[DeadLetter]:
        """Newest first."""
        return self._all(DeadLetter, select(dead_letters).order_by(dead_letters.c.id.desc()).limit(limit))
