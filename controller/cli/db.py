"""`controller db`: size."""

from __future__ import annotations

from controller.cli.options import API, OUTPUT, Api, Format, Output, group
from controller.cli.output import show_rows
from controller.cli.table import Column
from controller.client import Client

app = group("The database: what takes how much room.")
_COLUMNS = (Column("WHAT", "what"), Column("ROWS", "rows"), Column("SIZE", "size_bytes"))


@app.callback()
def _named() -> None:
    """One command would be taken for the group."""


@app.command()
def size(api: Api = API, output: Output = OUTPUT) -> None:
    """Rows and bytes: windows by the day on which they were received, roll-ups, and each table."""
    with Client(api) as client:
        rows = client.database_size()
    total = {"what": "all", "rows": None, "size_bytes": sum(row["size_bytes"] for row in rows)}
    show_rows(rows if output is Format.JSON else [*rows, total], _COLUMNS, output)
