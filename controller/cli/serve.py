"""`controller serve` and `controller demo`: the only commands that load the controller itself."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

STATE = Path("~/.local/state/hedgerow")


def serve(
    state: Annotated[
        Path, typer.Option(envvar="HEDGEROW_STATE", help="Where everything is kept that must survive.", metavar="DIR")
    ] = STATE,
    broker: Annotated[
        str, typer.Option(help="embedded:HOST:PORT, or mqtt://HOST:PORT of a running one.", metavar="URL")
    ] = "embedded:127.0.0.1:1883",
    http: Annotated[str, typer.Option(help="Where the API and the dashboard answer.", metavar="HOST:PORT")] = (
        "127.0.0.1:8080"
    ),
    database: Annotated[
        str | None, typer.Option(help="A database instead of the SQLite file in --state.", metavar="URL")
    ] = None,
) -> None:
    """Run the controller in the foreground."""
    from controller import bootstrap

    bootstrap.serve(state.expanduser(), broker, http, database)


def demo(
    as_json: Annotated[bool, typer.Option("--json", help="The story's outcome as JSON.")] = False,
    keep: Annotated[bool, typer.Option("--keep", help="Leave everything running until interrupted.")] = False,
    state: Annotated[
        Path | None,
        typer.Option(help="Where the demo keeps its state; a temporary directory if not given.", metavar="DIR"),
    ] = None,
    cache: Annotated[
        Path | None, typer.Option(help="Where trained models are kept between runs.", metavar="DIR")
    ] = None,
) -> None:
    """A whole fleet on this machine: register, prune, roll out, breach, repair."""
    from controller.cli.demo import run_demo

    raise typer.Exit(run_demo(as_json=as_json, keep=keep, state=state, cache=cache))
