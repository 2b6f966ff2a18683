"""What an application can ask over HTTP: the paths of the Open Inference Protocol, each with its answer. No sockets."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol
from urllib.parse import unquote

import msgspec

from agent import __version__
from agent.worker.memory import is_shortage
from agent.worker.oip import EXTENSIONS, RefusedError, metadata, most_bytes, read_request, write_response
from agent.worker.service import Service

_JSON_BYTES = "Inference-Header-Content-Length"
_MODEL = re.compile(r"/v2/models/([^/]+)(?:/versions/([^/]+))?(/ready|/infer)?")
_NO_HEADERS: Mapping[str, str] = {}
_SERVER_PATHS = ("/v2", "/v2/")
_HEALTH_PATHS = ("/v2/health/live", "/v2/health/ready")
_HEALTH = {"live": True, "ready": True}  # of the latter the specification says the one word, KServe's client the other


class Headers(Protocol):
    """Of a request; names in any case."""

    def get(self, name: str, /) -> str | None: ...


@dataclass(frozen=True, slots=True)
class Answer:
    status: int
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)


def refusal(status: int, text: str, **headers: str) -> Answer:
    return _json(msgspec.json.encode({"error": text}), status, headers)


def no_memory() -> Answer:
    return refusal(503, "there is no memory for this request now")


class Api:
    """Answers for one model, known as `name@version`; `most_bytes` is the largest body that it reads."""

    def __init__(self, service: Service, model: str) -> None:
        self._service = service
        self._name, _, self._version = model.partition("@")
        self.most_bytes = most_bytes(service.session.inputs)

    def answer(self, method: str, path: str, headers: Headers, body: bytes) -> Answer:
        try:
            what = self._what(path.partition("?")[0])
            allowed = "POST" if what == "/infer" else "GET"
            if method != allowed:
                return refusal(405, f"{method} {path}: only {allowed} is answered", Allow=allowed)
            return self._infer(headers, body) if what == "/infer" else self._told(what)
        except RefusedError as error:
            return refusal(error.status, str(error))
        except MemoryError:
            return no_memory()

    def _what(self, path: str) -> str:
        """What the path asks for: `health`, `server`, `/infer`, `/ready`, or the model itself as an empty text."""
        if path in _HEALTH_PATHS:
            return "health"
        if path in _SERVER_PATHS:
            return "server"
        found = _MODEL.fullmatch(path)
        if found is None:
            raise RefusedError(f"{path}: there is no such path", 404)
        name, version = unquote(found[1]), unquote(found[2] or self._version)
        if (name, version) != (self._name, self._version):
            raise RefusedError(f"model {name} version {version}: {self._name} version {self._version} is served", 404)
        return found[3] or ""

    def _told(self, what: str) -> Answer:
        session = self._service.session
        match what:
            case "health":
                return _json(msgspec.json.encode(_HEALTH))
            case "/ready":
                return _json(msgspec.json.encode({"name": self._name, "ready": True}))
            case "server":
                about = {"name": "hedgerow", "version": __version__, "extensions": EXTENSIONS}
                return _json(msgspec.json.encode(about))
            case _:
                return _json(metadata(self._name, self._version, session.platform, session.inputs, session.outputs))

    def _infer(self, headers: Headers, body: bytes) -> Answer:
        session, service = self._service.session, self._service
        try:
            asked = read_request(body, _json_bytes(headers), session.inputs, session.outputs)
        except MemoryError:
            service.shed()
            return no_memory()
        service.asked = True
        try:
            values = service.infer(asked.inputs)
        except Exception as error:  # the runtime's own types: it refused what the declared shapes allow
            if is_shortage(error):
                return no_memory()
            return refusal(500, f"{type(error).__name__}: {error}")
        content, json_bytes = write_response(asked, self._name, self._version, session.outputs, values)
        if json_bytes is None:
            return _json(content)
        return Answer(200, content, {"Content-Type": "application/octet-stream", _JSON_BYTES: str(json_bytes)})


def _json(body: bytes, status: int = 200, headers: Mapping[str, str] = _NO_HEADERS) -> Answer:
    return Answer(status, body, {"Content-Type": "application/json", **headers})


def _json_bytes(headers: Headers) -> int | None:
    text = headers.get(_JSON_BYTES)
    if text is None:
        return None
    if not text.isdecimal():
        raise RefusedError(f"{_JSON_BYTES}: {text!r} is no number of bytes")
    return int(text)
