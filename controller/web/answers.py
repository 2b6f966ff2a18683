"""How routes reach the controller, answer, and refuse."""

from __future__ import annotations

from typing import Annotated, Any, TypeVar

import msgspec
from fastapi import Depends, FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException

from agent.wire.errors import WireError
from controller.core.intents import IntentError
from controller.store import StoreError
from controller.web.port import ControllerPort

T = TypeVar("T")


class Json(Response):
    """JSON by msgspec: an infinite or undefined number becomes null, where the standard library would write no JSON."""

    media_type = "application/json"

    def render(self, content: Any) -> bytes:
        return msgspec.json.encode(content)


def get_port(request: Request) -> ControllerPort:
    port: ControllerPort = request.app.state.port
    return port


Port = Annotated[ControllerPort, Depends(get_port)]


def found(noun: T | None, kind: str, name: str) -> T:
    """The noun, or a 404 that names what was looked for."""
    if noun is None:
        raise HTTPException(404, f"there is no {kind} {name!r}")
    return noun


def error(status: int, message: str) -> Json:
    return Json({"error": message}, status_code=status)


def add_refusals(app: FastAPI) -> None:
    """Every failure that a caller can mend is `{"error": ...}` with its status."""

    @app.exception_handler(IntentError)
    def _refused(_request: Request, refusal: IntentError) -> Json:
        return error(refusal.status, refusal.message)

    @app.exception_handler(WireError)
    def _malformed(_request: Request, refusal: WireError) -> Json:
        return error(400, str(refusal))

    @app.exception_handler(StoreError)
    def _unavailable(_request: Request, refusal: StoreError) -> Json:
        return error(503, str(refusal))

    @app.exception_handler(HTTPException)
    def _http(_request: Request, refusal: HTTPException) -> Json:
        return error(refusal.status_code, str(refusal.detail))

    @app.exception_handler(RequestValidationError)
    def _invalid(_request: Request, refusal: RequestValidationError) -> Json:
        first = refusal.errors()[0]
        return error(422, f"{'.'.join(str(part) for part in first['loc'])}: {first['msg']}")
