"""What operators ask of many devices at once: to begin, to be told of more, to be worked off."""

from __future__ import annotations

import logging
from dataclasses import replace

from controller.core.intents import AddToBulk, AskBulk, IntentError, StartBulk
from controller.core.nouns.bulk import Bulk, BulkKind, BulkState
from controller.core.nouns.device import DeviceState
from controller.core.selector import Selector, parse_selector
from controller.loop.ledger import Ledger

log = logging.getLogger("hedgerow.bulk")

PART = 1000
"""Items that are kept, and read back, together."""

_MEANT: dict[BulkKind, tuple[DeviceState, ...]] = {
    BulkKind.ACCEPT: (DeviceState.PENDING,),  # who was shut out is let in again by name alone
    BulkKind.REVOKE: (DeviceState.PENDING, DeviceState.ACCEPTED),
    BulkKind.RECALIBRATE: (),
}


def answer_bulk(ledger: Ledger, intent: AskBulk | AddToBulk | StartBulk, now_unix_s: float) -> str:
    """The id of the bulk. Raises `IntentError`, `WireError`."""
    match intent:
        case AskBulk():
            return _ask(ledger, intent, now_unix_s)
        case AddToBulk():
            return _add(ledger, intent)
        case StartBulk():
            return _start(ledger, intent, now_unix_s)


def _ask(ledger: Ledger, intent: AskBulk, now_unix_s: float) -> str:
    """The bulk of this token: the one that there is, or a new one. Which devices a selector matches is settled here."""
    if not intent.token:
        raise IntentError(400, "token: a word that is used for this request alone is needed")
    selector = None if intent.selector is None else parse_selector(intent.selector)
    _refuse_nonsense(intent.kind, selector)
    known = next((each for each in ledger.bulks() if each.token == intent.token), None)
    text = None if selector is None else str(selector)
    if known is not None:
        if (known.kind, known.selector) != (intent.kind, text):
            raise IntentError(409, f"token {intent.token!r} is that of {known.id}, which asks for something else")
        return known.id
    bulk = Bulk(id=_next_id(ledger), token=intent.token, kind=intent.kind, selector=text, asked_unix_s=now_unix_s)
    if selector is None:
        ledger.put_bulk(replace(bulk, state=BulkState.UPLOADING))
    else:
        _freeze(ledger, bulk, selector, now_unix_s)
    return bulk.id


def _add(ledger: Ledger, intent: AddToBulk) -> str:
    """What came before is there already, and is not taken twice."""
    bulk = _known(ledger, intent.bulk)
    if bulk.state is not BulkState.UPLOADING:
        raise IntentError(409, f"bulk {bulk.id} is {bulk.state}: nothing can be added to it")
    if intent.first > bulk.total:
        raise IntentError(409, f"bulk {bulk.id} has {bulk.total} items: the next is {bulk.total}, not {intent.first}")
    if any((bulk.kind is BulkKind.REGISTER) is isinstance(each, str) for each in intent.items):
        raise IntentError(400, f"bulk {bulk.id}: to register takes profiles, all else takes the ids of devices")
    fresh = intent.items[bulk.total - intent.first :]
    for at in range(0, len(fresh), PART):
        ledger.add_bulk_items(bulk.id, bulk.total + at, fresh[at : at + PART])
    ledger.put_bulk(replace(bulk, total=bulk.total + len(fresh)))
    return bulk.id


def _start(ledger: Ledger, intent: StartBulk, now_unix_s: float) -> str:
    bulk = _known(ledger, intent.bulk)
    if bulk.state is BulkState.UPLOADING:
        ledger.put_bulk(_begun(bulk, now_unix_s))
    return bulk.id


def _begun(bulk: Bulk, now_unix_s: float) -> Bulk:
    """With nothing to do it is done."""
    log.info("event=bulk id=%s kind=%s total=%d", bulk.id, bulk.kind, bulk.total)
    if bulk.total:
        return replace(bulk, state=BulkState.RUNNING)
    return replace(bulk, state=BulkState.DONE, finished_unix_s=now_unix_s)


def _freeze(ledger: Ledger, bulk: Bulk, selector: Selector, now_unix_s: float) -> None:
    devices = ledger.matching(selector, _MEANT[bulk.kind])
    for at in range(0, len(devices), PART):
        ledger.add_bulk_items(bulk.id, at, devices[at : at + PART])
    ledger.put_bulk(_begun(replace(bulk, total=len(devices)), now_unix_s))


def _refuse_nonsense(kind: BulkKind, selector: Selector | None) -> None:
    if kind is BulkKind.REGISTER and selector is not None:
        raise IntentError(400, "a selector matches devices that are known: to register takes profiles")
    if kind is BulkKind.REVOKE and selector is not None and not selector.requirements:
        raise IntentError(400, "to revoke every device is refused: say which, as in site=north")


def _known(ledger: Ledger, bulk: str) -> Bulk:
    known = ledger.get_bulk(bulk)
    if known is None:
        raise IntentError(404, f"there is no bulk {bulk!r}; 'bulk list' shows those that there are")
    return known


def _next_id(ledger: Ledger) -> str:
    return f"b{max((each.number for each in ledger.bulks()), default=0) + 1}"
