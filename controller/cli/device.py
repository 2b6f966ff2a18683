"""`controller device`: register, list, show, accept, revoke, recalibrate."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from controller.cli.options import API, OUTPUT, Api, Format, Output, group
from controller.cli.output import note, show_row, show_rows
from controller.cli.table import Column
from controller.client import USAGE, Client, ClientError, Row

app = group("Devices: what they declare, run and measure.")
Device = Annotated[str, typer.Argument(metavar="ID", help="The device's id.")]
Devices = Annotated[list[str], typer.Argument(metavar="ID...", help="One id or several.")]
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
    file: Annotated[Path, typer.Option("--file", "-f", help="The profile, YAML; - reads standard input.")],
    api: Api = API,
    output: Output = OUTPUT,
) -> None:
    """Register a device from its profile."""
    text = read_text(file)
    with Client(api) as client:
        device = client.register_device(text, str(file))
    note(f"device {device['id']} is {device['state']}")
    show_row(device, output)


@app.command("list")
def list_devices(api: Api = API, output: Output = OUTPUT) -> None:
    """All devices, a line each."""
    with Client(api) as client:
        show_rows(client.devices(), _COLUMNS, output)


@app.command()
def show(device: Device, api: Api = API, output: Output = OUTPUT) -> None:
    """One device: caps and what binds them, figures, and what is learned about it."""
    with Client(api) as client:
        show_row(client.device(device), output)


@app.command()
def accept(devices: Devices, api: Api = API, output: Output = OUTPUT) -> None:
    """Let pending devices take part."""
    with Client(api) as client:
        _show_all([client.accept_device(each) for each in devices], output)


@app.command()
def revoke(device: Device, api: Api = API, output: Output = OUTPUT) -> None:
    """Shut a device out: it gets no assignment and its messages are ignored."""
    with Client(api) as client:
        show_row(client.revoke_device(device), output)


@app.command()
def forget(devices: Devices, api: Api = API, output: Output = OUTPUT) -> None:
    """Take all that is known of them away, also from the broker. One that comes again is pending."""
    with Client(api) as client:
        show_rows([client.forget_device(each) for each in devices], [Column("ID", "id")], output)


@app.command()
def recalibrate(devices: Devices, api: Api = API, output: Output = OUTPUT) -> None:
    """Forget what was learned: what the profile declares holds until trials and windows teach anew."""
    with Client(api) as client:
        _show_all([client.recalibrate_device(each) for each in devices], output)


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
