"""The API's Python client. The command line is built on it and on nothing else of the controller."""

from __future__ import annotations

import json
from collections.abc import Sequence
from types import TracebackType
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

if TYPE_CHECKING:
    import httpx

Row = dict[str, Any]
DEFAULT_API = "http://127.0.0.1:8080"
FAILED, USAGE, UNREACHABLE = 1, 2, 5
_TIMEOUT_S = 60.0
_PAGE = 1000
_AT_ONCE, _AT_ONCE_BYTES = 500, 512 * 1024  # of what is uploaded: a profile takes 2 ms to read


class ClientError(Exception):
    """Why a request had no good answer, in words for the operator, and the exit code that says so to a script."""

    def __init__(self, cause: str, exit_code: int) -> None:
        super().__init__(cause)
        self.cause = cause
        self.exit_code = exit_code


class Client:
    """Rows are as the API shows them: flat, unit-suffixed keys. Every method raises `ClientError`."""

    def __init__(self, api: str = DEFAULT_API, timeout_s: float = _TIMEOUT_S) -> None:
        # A fifth of a second to import, so not before it is used: `--help` and completion never are.
        import httpx

        self._api = api.rstrip("/")
        try:
            # The environment's proxies are for the internet; the controller is on this host or in this network.
            self._http = httpx.Client(base_url=f"{self._api}/api/v1", timeout=timeout_s, trust_env=False)
        except (httpx.InvalidURL, ValueError) as error:
            raise ClientError(f"{api!r} is no address: {error}", USAGE) from None

    def __enter__(self) -> Client:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        self._http.close()

    def health(self) -> Row:
        return self._row("GET", "/health")

    def devices(self, selector: str = "", states: Sequence[str] = (), limit: int | None = None) -> list[Row]:
        """By id; the first `limit`, or all."""
        return self._paged("/devices", limit, selector=selector, state=list(states))

    def device(self, device: str) -> Row:
        return self._row("GET", f"/devices/{_part(device)}")

    def register_device(self, profile_text: str, source: str = "profile") -> Row:
        """`source` names the text in error messages."""
        return self._row("POST", "/devices", {"profile_text": profile_text, "source": source})

    def forget_device(self, device: str) -> Row:
        return self._row("DELETE", f"/devices/{_part(device)}")

    def accept_device(self, device: str) -> Row:
        return self._row("POST", f"/devices/{_part(device)}/accept")

    def revoke_device(self, device: str) -> Row:
        return self._row("POST", f"/devices/{_part(device)}/revoke")

    def recalibrate_device(self, device: str) -> Row:
        return self._row("POST", f"/devices/{_part(device)}/recalibrate")

    def ask_bulk(
        self, kind: str, token: str, selector: str | None = None, items: Sequence[str | Row] | None = None
    ) -> Row:
        """One of accept, revoke, recalibrate or register: for the devices that `selector` matches, or for `items`, ids
        or what `register_device` takes.

        Asked again with the same `token` it is the same request; what had come over of its items is not sent again.
        """
        bulk = self._row("POST", "/bulks", {"kind": kind, "token": token, "selector": selector})
        path = f"/bulks/{_part(bulk['id'])}"
        while bulk["state"] == "uploading" and bulk["total"] < len(items or ()):
            first = bulk["total"]
            bulk = self._row("POST", f"{path}/items", {"first": first, "items": _some((items or ())[first:])})
        return self._row("POST", f"{path}/start") if bulk["state"] == "uploading" else bulk

    def bulks(self, limit: int | None = None) -> list[Row]:
        """Newest first."""
        return self._paged("/bulks", limit)

    def bulk(self, bulk: str) -> Row:
        return self._row("GET", f"/bulks/{_part(bulk)}")

    def bulk_failures(self, bulk: str, limit: int | None = None) -> list[Row]:
        return self._paged(f"/bulks/{_part(bulk)}/failures", limit)

    def telemetry(
        self, device: str, limit: int = 20, since_unix_s: float | None = None, until_unix_s: float | None = None
    ) -> list[Row]:
        """The newest windows, oldest first; those received from `since_unix_s` on and before `until_unix_s`."""
        return self._rows(f"/devices/{_part(device)}/telemetry", limit=limit, **_between(since_unix_s, until_unix_s))

    def hours(
        self, device: str, limit: int = 20, since_unix_s: float | None = None, until_unix_s: float | None = None
    ) -> list[Row]:
        """Windows rolled up by hour and variant, oldest first; hours that began in between."""
        return self._rows(f"/devices/{_part(device)}/hours", limit=limit, **_between(since_unix_s, until_unix_s))

    def database_size(self) -> list[Row]:
        """What takes how much."""
        return self._rows("/database/size")

    def models(self) -> list[Row]:
        return self._rows("/models")

    def model(self, ref: str) -> Row:
        return self._row("GET", f"/models/{_part(ref)}")

    def variants(self, ref: str) -> list[Row]:
        return self._paged(f"/models/{_part(ref)}/variants")

    def add_model(self, spec_path: str) -> Row:
        """`spec_path` is a file on the controller's host."""
        return self._row("POST", "/models", {"spec_path": spec_path})

    def set_model(self, ref: str, **policy: object) -> Row:
        """`policy` as the API names it; what is not given stays."""
        return self._row("PATCH", f"/models/{_part(ref)}", dict(policy))

    def ladder(self, ref: str) -> list[Row]:
        """The model's rungs, the dense variant first."""
        return self._rows(f"/models/{_part(ref)}/ladder")

    def ask_prune(
        self,
        ref: str,
        *,
        ram_bytes: int | None = None,
        storage_bytes: int | None = None,
        latency_s: float | None = None,
        runtime: str = "onnxruntime",
        refine_s: float | None = None,
        again: bool = False,
    ) -> Row:
        """The job under these caps, at least one; equal caps are one job.

        `again` runs one that failed or found nothing once more. `refine_s` is how long a refine may follow it, 0 not at
        all, None as the model's policy says.
        """
        body = {
            "ram_cap_bytes": ram_bytes,
            "storage_cap_bytes": storage_bytes,
            "latency_cap_ms": None if latency_s is None else latency_s * 1e3,
            "runtime": runtime,
            "refine_s": refine_s,
            "again": again,
        }
        return self._row("POST", f"/models/{_part(ref)}/prune", body)

    def ask_ladder(self, ref: str, rungs: int, again: bool = False) -> Row:
        return self._row("POST", f"/models/{_part(ref)}/ladder", {"rungs": rungs, "again": again})

    def ask_unstructured(self, ref: str, share: float, again: bool = False) -> Row:
        return self._row("POST", f"/models/{_part(ref)}/unstructured", {"share": share, "again": again})

    def plan(self, model: str, selector: str = "") -> list[Row]:
        return self._rows("/plan", model=model, selector=selector)

    def start_rollout(
        self, model: str, selector: str = "", waves: list[float] | None = None, allow_unverified: bool = False
    ) -> Row:
        body = {"model": model, "selector": selector, "waves": waves, "allow_unverified": allow_unverified}
        return self._row("POST", "/rollouts", body)

    def rollouts(self, limit: int | None = None) -> list[Row]:
        """Newest first."""
        return self._paged("/rollouts", limit)

    def rollout(self, rollout: str) -> Row:
        """With how many of its devices stand where."""
        return self._row("GET", f"/rollouts/{_part(rollout)}")

    def members(self, rollout: str, limit: int | None = None) -> list[Row]:
        """The devices of a rollout, by id."""
        return self._paged(f"/rollouts/{_part(rollout)}/devices", limit)

    def abort_rollout(self, rollout: str) -> Row:
        return self._row("POST", f"/rollouts/{_part(rollout)}/abort")

    def incidents(self, device: str | None = None, open_only: bool = False, limit: int | None = None) -> list[Row]:
        """Newest first."""
        only = {"device": device} if device is not None else {}
        return self._paged("/incidents", limit, open_only=open_only, **only)

    def incident(self, incident: str) -> Row:
        return self._row("GET", f"/incidents/{_part(incident)}")

    def jobs(self, limit: int | None = None) -> list[Row]:
        """Newest first."""
        return self._paged("/jobs", limit)

    def job(self, job: str) -> Row:
        return self._row("GET", f"/jobs/{_part(job)}")

    def _paged(self, path: str, limit: int | None = None, **params: Any) -> list[Row]:
        """The first `limit` rows of a list, or all of them, page by page."""
        rows, after = list[Row](), ""
        while limit is None or len(rows) < limit:
            at_once = _PAGE if limit is None else min(limit - len(rows), _PAGE)
            page = self._ask("GET", path, params={**params, "limit": at_once, "after": after})
            rows += page["items"]
            after = page["next"]
            if after is None:
                break
        return rows

    def _rows(self, path: str, **params: Any) -> list[Row]:
        rows: list[Row] = self._ask("GET", path, params=params)
        return rows

    def _row(self, method: str, path: str, body: Row | None = None) -> Row:
        row: Row = self._ask(method, path, json=body)
        return row

    def _ask(self, method: str, path: str, **content: Any) -> Any:
        import httpx

        try:
            answer = self._http.request(method, path, **content)
        except (httpx.TransportError, httpx.UnsupportedProtocol, httpx.InvalidURL) as error:
            raise ClientError(self._unreachable(error), UNREACHABLE) from None
        return _read(answer, self._api)

    def _unreachable(self, error: Exception) -> str:
        reason = str(error) or type(error).__name__
        return f"no controller answers at {self._api} ({reason}): start one with 'controller serve', or give --api"


def _some(items: Sequence[str | Row]) -> Sequence[str | Row]:
    """The first ones, as many as one request may have; at least one."""
    size_bytes = 0
    for at, item in enumerate(items[:_AT_ONCE]):
        size_bytes += len(json.dumps(item))
        if at and size_bytes > _AT_ONCE_BYTES:
            return items[:at]
    return items[:_AT_ONCE]


def _between(since_unix_s: float | None, until_unix_s: float | None) -> Row:
    asked = {"since_unix_s": since_unix_s, "until_unix_s": until_unix_s}
    return {name: value for name, value in asked.items() if value is not None}


def _part(name: str) -> str:
    """A name as one part of a path, whatever is in it."""
    return quote(name, safe="")


def _read(answer: httpx.Response, api: str) -> Any:
    try:
        content = answer.json()
    except ValueError:
        raise ClientError(f"{api} answers, but is no controller (HTTP {answer.status_code})", FAILED) from None
    if answer.is_success:
        return content
    cause = content.get("error") if isinstance(content, dict) else None
    usage = answer.status_code in (400, 422)
    raise ClientError(str(cause or f"HTTP {answer.status_code}"), USAGE if usage else FAILED)
