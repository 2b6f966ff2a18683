"""Incidents, health, and the live events."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

from fastapi import APIRouter, Request
from starlette.responses import StreamingResponse

from controller.web.answers import Json, Port, found
from controller.web.feed import Feed, changes
from controller.web.overview import health_view
from controller.web.views import incident_view

router = APIRouter()
TICK_S = 1.0
_KEEP_ALIVE = ": still here\n\n"


@router.get("/incidents", tags=["incidents"])
def list_incidents(port: Port, device: str | None = None, open_only: bool = False) -> Json:
    with port.read() as tx:
        incidents = tx.incidents(device, open_only)
    return Json([incident_view(incident) for incident in incidents])


@router.get("/incidents/{incident}", tags=["incidents"])
def show_incident(port: Port, incident: str) -> Json:
    with port.read() as tx:
        return Json(incident_view(found(tx.get_incident(incident), "incident", incident)))


@router.get("/health", tags=["health"])
def health(port: Port) -> Json:
    with port.read() as tx:
        return Json(health_view(tx, port))


@router.get("/events", tags=["events"])
async def events(request: Request) -> StreamingResponse:
    """Server-sent events: `changed` with the devices that changed (at first all of them) and the overview if it did."""
    return StreamingResponse(_stream(request), media_type="text/event-stream", headers={"Cache-Control": "no-store"})


async def _stream(request: Request) -> AsyncIterator[str]:
    feed: Feed = request.app.state.feed
    sent = None
    while not feed.stopping.is_set():
        snapshot = await asyncio.to_thread(feed.snapshot)
        data = changes(sent, snapshot)
        yield _KEEP_ALIVE if data is None else f"event: changed\ndata: {data}\n\n"
        sent = snapshot
        await asyncio.sleep(TICK_S)
