"""`controller bulk`: list, show. And what the commands share that ask for something of many devices."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Annotated
from uuid import uuid4

import typer

from controller.cli.options import API, OUTPUT, Api, Format, Limit, Output, group
from controller.cli.output import note, show_json, show_row, show_rows
from controller.cli.table import BELOW, Column
from controller.client import FAILED, Client, Row

app = group("Requests about many devices: how far each is, and what failed.")
Bulk = Annotated[str, typer.Argument(metavar="ID", help="The request's id.")]
Wait = Annotated[bool, typer.Option("--wait/--no-wait", help="Wait until all is done; without, the id is printed.")]
Token = Annotated[
    str | None, typer.Option(help="A word of your own for the request: given again, it is asked for once.")
]
_POLL_S, _TOLD = 0.5, 20
_COLUMNS = (
    Column("BULK", "id"),
    Column("KIND", "kind", 8),
    Column("SELECTOR", "selector", 5),
    Column("STATE", "state", 9),
    Column("TOTAL", "total", 7),
    Column("DONE", "done", 7),
    Column("FAILED", "failed", 8),
    Column("ASKED", "asked_unix_s", 4),
)
_FAILURES = (Column("ITEM", "position", 5), Column("DEVICE", "device"), Column("REASON", "reason", BELOW))


@app.command("list")
def list_bulks(limit: Limit = None, api: Api = API, output: Output = OUTPUT) -> None:
    """Requests, newest first."""
    with Client(api) as client:
        show_rows(client.bulks(limit), _COLUMNS, output)


@app.command()
def show(bulk: Bulk, limit: Limit = None, api: Api = API, output: Output = OUTPUT) -> None:
    """One request with what failed."""
    with Client(api) as client:
        _show(client.bulk(bulk), client.bulk_failures(bulk, limit), output)


def run(
    client: Client,
    kind: str,
    *,
    selector: str | None = None,
    items: Sequence[str | Row] | None = None,
    token: str | None,
    wait: bool,
    output: Format,
) -> None:
    """Ask, and see it done. Exits with an error where something failed."""
    bulk = client.ask_bulk(kind, token or uuid4().hex, selector, items)
    note(f"{kind} of {bulk['total']} devices is {bulk['id']}; 'controller bulk show {bulk['id']}' tells how it goes")
    if not wait:
        show_json(bulk) if output is Format.JSON else print(bulk["id"])
        return
    bulk = _followed(client, bulk)
    failures = client.bulk_failures(bulk["id"], _TOLD) if bulk["failed"] else []
    _show(bulk, failures, output)
    if bulk["failed"] > len(failures):
        note(f"and {bulk['failed'] - len(failures)} more; 'controller bulk show {bulk['id']}' lists all")
    if bulk["failed"]:
        raise typer.Exit(FAILED)


def _followed(client: Client, bulk: Row) -> Row:
    """It goes on by itself, whether or not anybody follows it."""
    told = 0
    while True:
        if bulk["cursor"] != told:
            told = bulk["cursor"]
            failed = f", {bulk['failed']} failed" if bulk["failed"] else ""
            note(f"bulk {bulk['id']}: {told} of {bulk['total']}{failed}")
        if bulk["state"] == "done":
            return bulk
        time.sleep(_POLL_S)
        bulk = client.bulk(bulk["id"])


def _show(bulk: Row, failures: list[Row], output: Format) -> None:
    if output is Format.JSON:
        show_json({**bulk, "failures": failures})
        return
    show_row(bulk, output)
    if failures:
        print()
        show_rows(failures, _FAILURES, output)
