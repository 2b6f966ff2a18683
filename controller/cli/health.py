"""`controller health`."""

from __future__ import annotations

import typer

from controller.cli.options import API, OUTPUT, Api, Output
from controller.cli.output import show_row
from controller.client import FAILED, Client


def health(api: Api = API, output: Output = OUTPUT) -> None:
    """The controller itself and its fleet in numbers; exit 1 while something is wrong with it."""
    with Client(api) as client:
        row = client.health()
    show_row(row, output)
    if row["status"] != "ok":
        raise typer.Exit(FAILED)
