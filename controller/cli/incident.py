"""`controller incident`: list, show."""

from __future__ import annotations

from typing import Annotated

import typer

from controller.cli.options import API, OUTPUT, Api, Limit, Output, group
from controller.cli.output import show_row, show_rows
from controller.cli.table import BELOW, Column
from controller.client import Client

app = group("Incidents: each breach from its evidence to its outcome.")
_COLUMNS = (
    Column("INCIDENT", "id"),
    Column("DEVICE", "device", 9),
    Column("KIND", "kind", 7),
    Column("STATE", "state", 8),
    Column("OPENED", "opened_unix_s", 6),
    Column("FROM", "from_variant", 4),
    Column("TO", "to_variant", 5),
    Column("DIAGNOSIS", "diagnosis", BELOW),
    Column("OUTCOME", "outcome", BELOW),
)


@app.command("list")
def list_incidents(
    device: Annotated[str | None, typer.Option(help="Only of this device.")] = None,
    open_only: Annotated[bool, typer.Option("--open", help="Only those without an outcome yet.")] = False,
    limit: Limit = None,
    api: Api = API,
    output: Output = OUTPUT,
) -> None:
    """Incidents, newest first."""
    with Client(api) as client:
        show_rows(client.incidents(device, open_only, limit), _COLUMNS, output)


@app.command()
def show(
    incident: Annotated[str, typer.Argument(metavar="ID", help="The incident's id.")],
    api: Api = API,
    output: Output = OUTPUT,
) -> None:
    """One incident: evidence, diagnosis, action, outcome."""
    with Client(api) as client:
        show_row(client.incident(incident), output)
