"""What the parts of a ledger share: the fleet that they lie over, and whom what is written concerns."""

from __future__ import annotations

from collections.abc import Callable

from controller.core.policy import Policy
from controller.loop.fleet import Fleet
from controller.store.tx import Tx


class Book:
    """`woken` are devices of which something was written, `models` those of which variants, jobs or policy changed, and
    `rollouts_moved` those rollouts that started or ended. `jobs_moved` where any job did, or what devices wait for, and
    `bulks_moved` where any request about many devices did. `answers` are told to devices once the turn is committed."""

    def __init__(self, fleet: Fleet, policy: Policy, now_s: float) -> None:
        """`now_s` is of the steady clock."""
        self._fleet, self.policy, self.now_s = fleet, policy, now_s
        self._notes = list[Callable[[Tx], None]]()
        self.answers = list[tuple[str, bytes]]()
        self.woken, self.models, self.rollouts_moved = set[str](), set[str](), set[str]()
        self.jobs_moved, self.bulks_moved = False, False

    def add_event(self, device: str, boot: str, kind: str, message: str, unix_s: float) -> None:
        self._notes.append(lambda tx: tx.add_event(device, boot, kind, message, unix_s))

    def add_dead_letter(self, topic: str, payload: bytes, reason: str, unix_s: float) -> None:
        self._notes.append(lambda tx: tx.add_dead_letter(topic, payload, reason, unix_s))
