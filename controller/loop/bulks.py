"""Works off what was asked of many devices: in each turn a few items, with how far it is in the same transaction.

So it goes on where it was, whatever ends the controller, and no item is done twice. What cannot be done is listed with
the reason. An item that the database refuses is found by halves, as messages are, and apart from them.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import replace

from sqlalchemy.exc import SQLAlchemyError

from controller.core.intents import IntentError
from controller.core.nouns.bulk import Bulk, BulkFailure, BulkKind, BulkState, Declared, Item
from controller.core.nouns.device import DeviceState
from controller.loop.answer_device import recalibrate, register, set_state
from controller.loop.ledger import Ledger
from controller.store.store import Store

log = logging.getLogger("hedgerow.bulk")

_MOST = 250  # items in one turn: each leaves a row to write, and a device to look at


class BulkWorker:
    """`busy` while there may be something to do. `took` counts items; whoever cares sets it to 0 before a turn."""

    def __init__(self, store: Store) -> None:
        self._store, self.busy = store, True
        self._part: tuple[str, int, Sequence[Item]] = ("", 0, [])
        self._most, self.took, self._tried = _MOST, 0, ("", 0)
        self._spoilt: tuple[str, int, str] = ("", 0, "")

    def work(self, ledger: Ledger, now_unix_s: float, enough: Callable[[], bool]) -> None:
        """Go on with the oldest that is not done, until it is `enough` for one turn."""
        if not (self.busy or ledger.bulks_moved):
            return
        bulk = ledger.running_bulk()
        self.busy = bulk is not None or ledger.bulks_moved
        if bulk is not None:
            self._go_on(ledger, bulk, now_unix_s, enough)

    def blame(self, took: int, error: Exception) -> None:
        """A turn of nothing but this, of which it `took` so many items, cannot be written. The next one does less of
        it, and leaves out a single item that was all."""
        self.busy = True
        if took == 1:
            self._spoilt = (*self._tried, f"the controller cannot keep it: {error}")
        self._most = max(took // 2, 1)

    def _go_on(self, ledger: Ledger, bulk: Bulk, now_unix_s: float, enough: Callable[[], bool]) -> None:
        here = (bulk.id, bulk.cursor)
        if here != self._tried:  # what was tried last is written
            self._most, self._tried = min(2 * self._most, _MOST), here
        failures = list[BulkFailure]()
        items = self._items(bulk)[: self._most]
        for at, item in enumerate(items, start=bulk.cursor):
            reason = self._done(ledger, bulk, at, item, now_unix_s)
            if reason:
                failures.append(BulkFailure(bulk.id, at, _name(item), reason))
            if enough():
                items = items[: at - bulk.cursor + 1]
                break
        ledger.add_bulk_failures(failures)
        self._put(ledger, bulk, len(items), len(failures), now_unix_s)

    def _put(self, ledger: Ledger, bulk: Bulk, count: int, failed: int, now_unix_s: float) -> None:
        done, failed = bulk.done + count - failed, bulk.failed + failed
        moved = replace(bulk, cursor=bulk.cursor + count, done=done, failed=failed)
        if moved.cursor >= bulk.total or not count:
            log.info("event=bulk_done id=%s done=%d failed=%d", bulk.id, moved.done, moved.failed)
            moved = replace(moved, state=BulkState.DONE, finished_unix_s=now_unix_s)
            ledger.drop_bulk_items(bulk.id)
        ledger.put_bulk(moved)

    def _items(self, bulk: Bulk) -> Sequence[Item]:
        """From the cursor on, as many as are kept together."""
        of, first, items = self._part
        if of != bulk.id or not first <= bulk.cursor < first + len(items):
            with self._store.read() as tx:
                first, items = tx.bulk_items(bulk.id, bulk.cursor)
            self._part = (bulk.id, first, items)
        return items[bulk.cursor - first :]

    def _done(self, ledger: Ledger, bulk: Bulk, at: int, item: Item, now_unix_s: float) -> str:
        """Why it was not; nothing where it was."""
        if (bulk.id, at) == self._spoilt[:2]:
            return self._spoilt[2]
        self.took += 1
        try:
            return _do(ledger, bulk.kind, item, now_unix_s)
        except IntentError as refusal:
            return refusal.message
        except SQLAlchemyError:
            raise
        except Exception as error:
            log.exception("event=unforeseen bulk=%s item=%d", bulk.id, at)
            return f"the controller failed over this ({type(error).__name__}: {error}); see its log"


def _do(ledger: Ledger, kind: BulkKind, item: Item, now_unix_s: float) -> str:
    if isinstance(item, Declared):
        if item.profile is None:
            return item.reason
        register(ledger, item.profile, item.text, now_unix_s)
        return ""
    match kind:
        case BulkKind.ACCEPT:
            set_state(ledger, item, DeviceState.ACCEPTED)
        case BulkKind.REVOKE:
            set_state(ledger, item, DeviceState.REVOKED)
        case BulkKind.RECALIBRATE:
            recalibrate(ledger, item)
        case BulkKind.REGISTER:
            return "to register takes a profile"
    return ""


def _name(item: Item) -> str:
    if isinstance(item, str):
        return item
    return item.source if item.profile is None else item.profile.device
