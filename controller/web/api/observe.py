"""Incidents, health, and the live events."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Collection, Sequence
from typing import Annotated

from fastapi import APIRouter, Header, Query, Request
from starlette.responses import StreamingResponse

from controller.core.nouns.incident import UNCLOSED, IncidentState
from controller.core.selector import Selector
from controller.web.answers import Json, Port, found
from controller.web.feed import TICK_S, Feed
from controller.web.incidents import incidents_page
from controller.web.overview import health_view
from controller.web.pages import Selected, Wanted, answer
from controller.web.views import incident_view

router = APIRouter()
_COMMIT, _NEVER = re.compile(r"[0-9]{1,18}"), -1
_KEEP_ALIVE = ": still here\n\n"


@router.get("/incidents", tags=["incidents"])
def list_incidents(
    port: Port,
    asked: Wanted,
    selector: Selected,
    state: Annotated[Sequence[IncidentState], Query()] = (),
    device: str | None = None,
    open_only: bool = False,
) -> Json:
    """Newest first; of this device, or of those that the selector matches."""
    states = UNCLOSED if open_only else state
    page, incidents = incidents_page(port, asked, _wanted(selector, device), states)
    return answer(page, {each.id: incident_view(each) for each in incidents}, asked)


def _wanted(selector: Selector, device: str | None) -> Selector:
    return selector if device is None else Selector((*selector.requirements, ("id", device)))


@router.get("/incidents/{incident}", tags=["incidents"])
def show_incident(port: Port, incident: str) -> Json:
    with port.read() as tx:
        return Json(incident_view(found(tx.get_incident(incident), "incident", incident)))


@router.get("/health", tags=["health"])
def health(port: Port) -> Json:
    return Json(health_view(port))


@router.get("/events", tags=["events"])
async def events(
    request: Request,
    since: int | None = None,
    device: Annotated[Sequence[str], Query()] = (),
    last_event_id: Annotated[str | None, Header()] = None,
) -> StreamingResponse:
    """Server-sent events, each with the number of a commit as its id: `changed` has what changed up to that one.

    It begins after the commit `since`, that a page told, or after `Last-Event-ID`; where neither is given, now. `reset`
    says that this is too long ago: read the pages anew. Of devices only those named, where any is.
    """
    feed: Feed = request.app.state.feed
    begin = feed.now() if since is None else since
    if last_event_id is not None:
        begin = int(last_event_id) if _COMMIT.fullmatch(last_event_id) else _NEVER
    told = _stream(feed, begin, frozenset(device) or None)
    return StreamingResponse(told, media_type="text/event-stream", headers={"Cache-Control": "no-store"})


async def _stream(feed: Feed, since: int, only: Collection[str] | None) -> AsyncIterator[str]:
    counts = b""
    while not feed.stopping.is_set():
        event = await asyncio.to_thread(feed.after, since, counts, only)
        yield _KEEP_ALIVE if event is None else event.text()
        if event is not None:
            since, counts = event.commit, event.counts
        await asyncio.sleep(TICK_S)
