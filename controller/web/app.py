"""The web application over a `ControllerPort`."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

from fastapi import FastAPI, Request
from starlette.responses import Response
from starlette.staticfiles import StaticFiles
from starlette.templating import Jinja2Templates

from controller.web.answers import add_refusals
from controller.web.api import bulks, database, devices, jobs, models, observe, rollouts
from controller.web.feed import Feed
from controller.web.guard import Guard
from controller.web.overview import product_version
from controller.web.port import ControllerPort

_HERE = Path(__file__).parent
_API = "/api/v1"


def create_app(port: ControllerPort, hosts: Collection[str] = ()) -> FastAPI:
    """The API under /api/v1 and the dashboard at /. `hosts` are further names that it may be reached by.

    Its `state.feed.stopping` ends the event streams, which otherwise last as long as their readers.
    """
    app = FastAPI(
        title="Hedgerow",
        version=product_version() or "0",
        docs_url=None,
        redoc_url=None,
        openapi_url=f"{_API}/openapi.json",
    )
    app.state.port, app.state.feed = port, Feed(port)
    add_refusals(app)
    for noun in (devices, bulks, models, jobs, rollouts, observe, database):
        app.include_router(noun.router, prefix=_API)
    app.mount("/static", StaticFiles(directory=_HERE / "static"), name="static")
    _add_dashboard(app)
    app.add_middleware(Guard, hosts=hosts)
    return app


def _add_dashboard(app: FastAPI) -> None:
    templates = Jinja2Templates(directory=_HERE / "templates")

    @app.get("/", include_in_schema=False)
    def dashboard(request: Request) -> Response:
        return templates.TemplateResponse(request, "dashboard.html", {"version": product_version()})
