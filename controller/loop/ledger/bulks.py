"""Requests about many devices, as a turn leaves them."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from controller.core.nouns.bulk import Bulk, BulkFailure, BulkState, Item
from controller.core.nouns.device import DeviceState
from controller.core.policy import Policy
from controller.core.selector import Selector
from controller.loop.fleet import Fleet
from controller.loop.ledger.book import Book
from controller.loop.staged import Staged
from controller.store.tx import Tx


class BulkBook(Book):
    def __init__(self, fleet: Fleet, policy: Policy, now_s: float) -> None:
        super().__init__(fleet, policy, now_s)
        self._bulks = Staged(fleet.bulks)
        self._parts, self._failures = list[tuple[str, int, Sequence[Item]]](), list[BulkFailure]()
        self._emptied = list[str]()

    def matching(self, wanted: Selector, states: Collection[DeviceState]) -> list[str]:
        """The devices that match as of the newest commit, in order."""
        return [*self._fleet.directory.matching(wanted, states)]

    def get_bulk(self, bulk: str) -> Bulk | None:
        return self._bulks.get(bulk)

    def bulks(self) -> list[Bulk]:
        """In the order they were asked for."""
        return [*self._bulks.values()]

    def running_bulk(self) -> Bulk | None:
        """The oldest that is to be worked off: whose items are in the database by now."""
        return next((each for each in self._fleet.bulks.values() if each.state is BulkState.RUNNING), None)

    def put_bulk(self, bulk: Bulk) -> None:
        self._bulks.put(bulk.id, bulk)
        self.bulks_moved = True

    def drop_bulk(self, bulk: str) -> None:
        """With its items; its failures went before."""
        self._bulks.drop(bulk)
        self._emptied.append(bulk)

    def add_bulk_items(self, bulk: str, first: int, items: Sequence[Item]) -> None:
        """Those from position `first` on."""
        self._parts.append((bulk, first, items))

    def drop_bulk_items(self, bulk: str) -> None:
        self._emptied.append(bulk)

    def add_bulk_failures(self, failed: Sequence[BulkFailure]) -> None:
        self._failures += failed

    def _write_bulks(self, tx: Tx) -> None:
        tx.put_bulks(self._bulks.written())
        tx.put_bulk_items(self._parts)
        for bulk in self._emptied:
            tx.drop_bulk_items(bulk)
        tx.drop_bulks(self._bulks.dropped())
        tx.add_bulk_failures(self._failures)
