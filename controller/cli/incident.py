"""`controller incident`: list, show."""

from __future__ import annotations

from typing import Annotated

import typer

from controller.cli.options import API, OUTPUT, Api, Output, group
from controller.cli.output import show_row, show_rows
from controller.client import Client

app = group("Incidents: each breach from its evidence to its outcome.")
_COLUMNS = (
    ("INCIDENT", "id"),
    ("DEVICE", "device"),
    ("KIND", "kind"),
    ("STATE", "state"),
    ("OPENED", "opened_unix_s"),
    ("FROM", "from_variant"),
    ("TO", "to_variant"),
    ("DIAGNOSIS", "diagnosis"),
    ("OUTCOME", "outcome"),
)


@app.command("list")
def list_incidents(
    device: Annotated[str | None, typer.Option(help="Only of this device.")] = None,
    open_only: Annotated[bool, typer.Option("--open", help="Only those without an outcome yet.")] = False,
    api: Api = API,
    output: Output = OUTPUT,
) -> None:
    """Incidents, newest first."""
    with Client(api) as client:
        show_rows(client.incidents(device, open_only), _COLUMNS, output)


@app.command()
def show(
    incident: Annotated[str, typer.Argument(metavar="ID", help="The incident's id.")],
    api: Api = API,
    output: Output = OUTPUT,
) -> None:
    """One incident: evidence, diagnosis, action, outcome."""
    with Client(api) as client:
        show_row(client.incident(incident), output)
