"""`controller rollout`: start, list, status, abort."""

from __future__ import annotations

import time
from typing import Annotated

import typer

from controller.cli.model import Ref
from controller.cli.options import API, OUTPUT, Api, Format, Limit, Output, Selector, group
from controller.cli.output import note, show_json, show_row, show_rows
from controller.cli.table import BELOW, Column
from controller.client import Client, ClientError, Row

app = group("Rollouts: bringing a model to the devices that a selector matches, in gated waves.")
Rollout = Annotated[str, typer.Argument(metavar="ID", help="The rollout's id.")]
ENDED_BADLY, TIMED_OUT = 3, 4
_POLL_S = 0.5
_COLUMNS = (
    Column("ROLLOUT", "id"),
    Column("MODEL", "model", 8),
    Column("SELECTOR", "selector", 7),
    Column("STATE", "state", 9),
    Column("WAVE", "wave", 6),
    Column("STARTED", "started_unix_s", 5),
    Column("REASON", "reason", BELOW),
)
_DEVICES = (
    Column("DEVICE", "device"),
    Column("STANDING", "standing", 9),
    Column("SINCE", "since_unix_s", 4),
    Column("WAVE", "wave", 3),
    Column("PRESENCE", "presence", 5),
    Column("VARIANT", "variant", 8),
    Column("PHASE", "phase", 6),
    Column("BINDING", "binding", 7),
    Column("REASON", "reason", BELOW),
)


@app.command()
def start(
    model: Ref,
    selector: Selector = "",
    wave: Annotated[
        list[float] | None, typer.Option(help="A cumulative share of the devices, once for each wave; the last is 1.")
    ] = None,
    allow_unverified: Annotated[
        bool, typer.Option("--allow-unverified", help="Also where the model has no data to check its accuracy on.")
    ] = False,
    wait: Annotated[
        bool,
        typer.Option("--wait", help="Wait for its end; exit 3 if it fails or is aborted, also if no device succeeds."),
    ] = False,
    timeout_s: Annotated[float, typer.Option("--timeout", help="Seconds to --wait before exit 4.")] = 3600.0,
    api: Api = API,
    output: Output = OUTPUT,
) -> None:
    """Start a rollout."""
    with Client(api) as client:
        rollout = client.start_rollout(model, selector, wave or None, allow_unverified)
        note(f"rollout {rollout['id']} of {rollout['model']} is {rollout['state']}")
        if not rollout["members"] and not client.devices(selector, ["accepted"], limit=1):
            note(f"no accepted device matches {rollout['selector']!r}; it waits for one")
        if wait:
            rollout = _wait(client, rollout, timeout_s)
        _show(client, rollout, output)
    if wait and rollout["state"] != "finished":
        raise typer.Exit(ENDED_BADLY)


@app.command("list")
def list_rollouts(limit: Limit = None, api: Api = API, output: Output = OUTPUT) -> None:
    """Rollouts, newest first."""
    with Client(api) as client:
        show_rows(_shown(client.rollouts(limit), output), _COLUMNS, output)


@app.command()
def status(rollout: Rollout, limit: Limit = None, api: Api = API, output: Output = OUTPUT) -> None:
    """One rollout, with where each of its devices stands."""
    with Client(api) as client:
        _show(client, client.rollout(rollout), output, limit)


@app.command()
def abort(rollout: Rollout, api: Api = API, output: Output = OUTPUT) -> None:
    """Let no further device go; those that have the new variant keep it."""
    with Client(api) as client:
        _show(client, client.abort_rollout(rollout), output)


def _wait(client: Client, rollout: Row, timeout_s: float) -> Row:
    """Follow a rollout to its end, telling each change on stderr; raises `ClientError` at the timeout."""
    deadline, told = time.monotonic() + timeout_s, ""
    while rollout["state"] == "running":
        if time.monotonic() > deadline:
            raise ClientError(f"rollout {rollout['id']} is still running after {timeout_s:g} s", TIMED_OUT)
        time.sleep(_POLL_S)
        rollout = client.rollout(rollout["id"])
        if _progress(rollout) != told:
            told = _progress(rollout)
            note(told)
    return rollout


def _progress(rollout: Row) -> str:
    standings = ", ".join(f"{count} {standing}" for standing, count in sorted(rollout["devices_by_standing"].items()))
    wave = f"wave {rollout['wave'] + 1} of {len(rollout['waves'])}"
    return f"rollout {rollout['id']}: {rollout['state']}, {wave}: {standings}"


def _show(client: Client, rollout: Row, output: Format, limit: int | None = None) -> None:
    members = client.members(rollout["id"], limit)
    if output is Format.JSON:
        show_json({**rollout, "devices": members})
        return
    show_row(_shown([rollout], output)[0], output)
    print()
    show_rows(_shown(members, output), _DEVICES, output)


def _shown(rows: list[Row], output: Format) -> list[Row]:
    """People count waves from 1, programs as the API does."""
    if output is Format.JSON:
        return rows
    return [each | {"wave": None if each["wave"] is None else each["wave"] + 1} for each in rows]
