"""`controller device`: register, list, show, accept, revoke, recalibrate."""

from __future__ import annotations

import sys
from collections.abc import Callable
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from controller.cli.bulk import Token, Wait, run
from controller.cli.documents import ids_in, profile, profiles_in, profiles_of
from controller.cli.options import API, OUTPUT, Api, Format, Limit, Output, Selector, group
from controller.cli.output import note, show_row, show_rows
from controller.cli.table import Column
from controller.client import USAGE, Client, ClientError, Row

app = group("Devices: what they declare, run and measure.")
Device = Annotated[str, typer.Argument(metavar="ID", help="The device's id.")]


class State(StrEnum):
    PENDING = "pending"
    ACCEPTED = "accepted"
    REVOKED = "revoked"


Devices = Annotated[list[str] | None, typer.Argument(metavar="[ID]...", help="One id or several.")]
Matching = Annotated[
    str | None, typer.Option("--selector", "-l", help="Those that match now: site=north,class=camera or id=cam-1.")
]
Stdin = Annotated[bool, typer.Option("--stdin", help="Those that standard input names, one a line.")]
_FEW = 100
_COLUMNS = (
    Column("DEVICE", "id"),
    Column("CLASS", "class", 1),
    Column("STATE", "state", 7),
    Column("PRESENCE", "presence", 8),
    Column("MODEL", "model", 5),
    Column("VARIANT", "variant", 7),
    Column("PHASE", "phase", 4),
    Column("BINDING", "binding", 6),
    Column("LATENCY P95", "latency_p95_ms", 6),
    Column("LATENCY CAP", "latency_cap_ms", 4),
    Column("RAM", "ram_peak_bytes", 3),
    Column("RAM LIMIT", "ram_limit_bytes", 2),
    Column("TEMP", "temperature_celsius", 3),
    Column("BATTERY", "battery_percent", 3),
    Column("WITHIN", "within_budget", 9),
    Column("INCIDENT", "incident", 8),
)


@app.command()
def register(
    file: Annotated[
        Path | None,
        typer.Option("--file", "-f", help="The profile, YAML, - reads standard input; or a folder of profiles."),
    ] = None,
    stdin: Stdin = False,
    wait: Wait = True,
    token: Token = None,
    api: Api = API,
    output: Output = OUTPUT,
) -> None:
    """Register a device from its profile, or many: those of a folder, or JSON lines or YAML documents."""
    if (file is None) is not stdin:
        raise ClientError("register takes -f FILE, -f FOLDER or --stdin, one of them", USAGE)
    one = file is not None and not file.is_dir()
    profiles = _declared(file)
    with Client(api) as client:
        if one and wait and token is None:
            _register_one(client, profiles[0], output)
        else:
            run(client, "register", items=profiles, token=token, wait=wait, output=output)


def _declared(file: Path | None) -> list[Row]:
    if file is None:
        return profiles_in(sys.stdin.read(), "standard input")
    return profiles_of(file) if file.is_dir() else [profile(read_text(file), str(file))]


def _register_one(client: Client, declared: Row, output: Format) -> None:
    device = client.register_device(**declared)
    note(f"device {device['id']} is {device['state']}")
    show_row(device, output)


@app.command("list")
def list_devices(
    selector: Selector = "",
    state: Annotated[
        list[State] | None, typer.Option("--state", help="Only those in this state, or in one of several.")
    ] = None,
    limit: Limit = None,
    api: Api = API,
    output: Output = OUTPUT,
) -> None:
    """Devices by id, a line each."""
    with Client(api) as client:
        show_rows(client.devices(selector, state or (), limit), _COLUMNS, output)


@app.command()
def show(device: Device, api: Api = API, output: Output = OUTPUT) -> None:
    """One device: caps and what binds them, figures, and what is learned about it."""
    with Client(api) as client:
        show_row(client.device(device), output)


@app.command()
def accept(
    devices: Devices = None,
    selector: Matching = None,
    all_pending: Annotated[bool, typer.Option("--all-pending", help="Every one that is pending.")] = False,
    stdin: Stdin = False,
    wait: Wait = True,
    token: Token = None,
    api: Api = API,
    output: Output = OUTPUT,
) -> None:
    """Let pending devices take part: those named, or all that a selector matches."""
    if all_pending and selector is not None:
        raise ClientError("--all-pending and --selector exclude each other", USAGE)
    _ask(
        "accept",
        Client.accept_device,
        devices,
        "" if all_pending else selector,
        stdin=stdin,
        wait=wait,
        token=token,
        api=api,
        output=output,
    )


@app.command()
def revoke(
    devices: Devices = None,
    selector: Matching = None,
    stdin: Stdin = False,
    wait: Wait = True,
    token: Token = None,
    api: Api = API,
    output: Output = OUTPUT,
) -> None:
    """Shut devices out: they get no assignment and their messages are ignored."""
    _ask("revoke", Client.revoke_device, devices, selector, stdin=stdin, wait=wait, token=token, api=api, output=output)


@app.command()
def forget(
    devices: Annotated[list[str], typer.Argument(metavar="ID", help="One id or several.")],
    api: Api = API,
    output: Output = OUTPUT,
) -> None:
    """Take all that is known of them away, also from the broker. One that comes again is pending."""
    with Client(api) as client:
        show_rows([client.forget_device(each) for each in devices], [Column("ID", "id")], output)


@app.command()
def recalibrate(
    devices: Devices = None,
    selector: Matching = None,
    stdin: Stdin = False,
    wait: Wait = True,
    token: Token = None,
    api: Api = API,
    output: Output = OUTPUT,
) -> None:
    """Forget what was learned: what the profile declares holds until trials and windows teach anew."""
    _ask(
        "recalibrate",
        Client.recalibrate_device,
        devices,
        selector,
        stdin=stdin,
        wait=wait,
        token=token,
        api=api,
        output=output,
    )


def _ask(
    kind: str,
    one: Callable[[Client, str], Row],
    devices: list[str] | None,
    selector: str | None,
    *,
    stdin: bool,
    wait: bool,
    token: str | None,
    api: str,
    output: Format,
) -> None:
    """Of a few devices that are named one after the other, each with its row; of more, or where it is to be asked once
    or not waited for, as one request."""
    if sum((bool(devices), selector is not None, stdin)) != 1:
        raise ClientError(f"{kind} takes ids, --selector or --stdin (accept also --all-pending), one of them", USAGE)
    named = ids_in(sys.stdin.read()) if stdin else devices
    with Client(api) as client:
        if devices and len(devices) <= _FEW and wait and token is None:
            _show_all([one(client, each) for each in devices], output)
        else:
            run(client, kind, selector=selector, items=named, token=token, wait=wait, output=output)


def _show_all(rows: list[Row], output: Format) -> None:
    if len(rows) == 1:
        show_row(rows[0], output)
    else:
        show_rows(rows, _COLUMNS, output)


def read_text(file: Path) -> str:
    """The text of `file`, or of standard input for `-`; raises `ClientError` with a usage exit code."""
    try:
        return sys.stdin.read() if str(file) == "-" else file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ClientError(f"{file} cannot be read: {error}", USAGE) from None
