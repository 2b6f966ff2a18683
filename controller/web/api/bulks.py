"""Requests about many devices: asked for, told of which, followed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated
from uuid import uuid4

import msgspec
from fastapi import APIRouter, Query

from agent.wire.errors import WireError
from agent.wire.profile import parse_profile
from controller.core.intents import AddToBulk, AskBulk, IntentError, StartBulk
from controller.core.nouns.bulk import BulkKind, BulkState, Declared, Item
from controller.loop import pages
from controller.web.answers import Json, Port, found
from controller.web.api.devices import Registration
from controller.web.pages import MOST, Wanted, answer
from controller.web.port import ControllerPort
from controller.web.views import bulk_view

router = APIRouter(prefix="/bulks", tags=["bulks"])


@dataclass
class Request:
    """Of the devices that `selector` matches now; where it is null, of those that are uploaded, and then `start`ed.

    Of the same `token` it is the same request. To accept means those that are pending, to revoke those that are not.
    """

    kind: BulkKind
    selector: str | None = None
    token: str | None = None


@dataclass
class Unread:
    """A profile that could not be read by whoever was to send it, and why: it fails as one that means nothing does."""

    source: str
    reason: str


@dataclass
class Items:
    """Ids of devices, or profiles to register; the first of them has the position `first`, counted from 0."""

    first: int
    items: list[str | Registration | Unread]


@router.get("")
def list_bulks(port: Port, asked: Wanted, state: Annotated[Sequence[BulkState], Query()] = ()) -> Json:
    """Newest first."""
    page = port.look(lambda fleet: pages.bulks(fleet, state, asked.after, asked.limit))
    with port.read() as tx:
        rows = tx.bulks_among(page.names)
    return answer(page, {name: bulk_view(each) for name, each in rows.items()}, asked)


@router.post("", status_code=202)
def ask_bulk(port: Port, body: Request) -> Json:
    token = uuid4().hex if body.token is None else body.token
    return _show(port, port.submit(AskBulk(body.kind, token, body.selector)), status_code=202)


@router.get("/{bulk}")
def show_bulk(port: Port, bulk: str) -> Json:
    return _show(port, bulk)


@router.post("/{bulk}/items", status_code=202)
def add_items(port: Port, bulk: str, body: Items) -> Json:
    """Profiles are read here, and not by the loop: what cannot be read is a failure of its own later."""
    if len(body.items) > MOST or body.first < 0:
        raise IntentError(400, f"at most {MOST} items at once are allowed, from a position of 0 or more on")
    items = tuple(map(_read, body.items))
    return _show(port, port.submit(AddToBulk(bulk, body.first, items)), status_code=202)


@router.post("/{bulk}/start", status_code=202)
def start_bulk(port: Port, bulk: str) -> Json:
    return _show(port, port.submit(StartBulk(bulk)), status_code=202)


@router.get("/{bulk}/failures")
def list_failures(port: Port, bulk: str, asked: Wanted) -> Json:
    """In the order of the items; `after` is a position."""
    if asked.after and not asked.after.isdecimal():
        raise IntentError(400, f"after {asked.after!r}: a position is allowed, as the page before told it")
    commit = port.look(lambda fleet: fleet.commit)
    with port.read() as tx:
        found(tx.bulks_among([bulk]).get(bulk), "bulk", bulk)
        failed = tx.bulk_failures(bulk, int(asked.after or -1), asked.limit + 1)
        total = tx.count_bulk_failures(bulk)
    names = [str(each.position) for each in failed]
    page = pages.page(names, total, asked.limit, commit)
    return answer(page, {str(each.position): msgspec.to_builtins(each) for each in failed}, asked)


def _read(item: str | Registration | Unread) -> Item:
    if isinstance(item, str):
        return item
    if isinstance(item, Unread):
        return Declared(item.source, reason=item.reason)
    try:
        return Declared(item.source, item.profile_text, parse_profile(item.profile_text, item.source))
    except WireError as error:
        return Declared(item.source, reason=str(error))


def _show(port: ControllerPort, bulk: str, status_code: int = 200) -> Json:
    with port.read() as tx:
        known = found(tx.bulks_among([bulk]).get(bulk), "bulk", bulk)
    return Json(bulk_view(known), status_code=status_code)
