"""`controller serve` and `controller demo`: the only commands that load the controller itself."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from controller.client import FAILED, ClientError

STATE = Path("~/.local/state/hedgerow")


def serve(
    state: Annotated[
        Path, typer.Option(envvar="HEDGEROW_STATE", help="Where everything is kept that must survive.", metavar="DIR")
    ] = STATE,
    broker: Annotated[
        str | None,
        typer.Option(help="embedded:HOST:PORT (the default), or mqtt://HOST:PORT of a running one.", metavar="URL"),
    ] = None,
    http: Annotated[
        str | None,
        typer.Option(help="Where API and dashboard answer; 127.0.0.1:8080 by default.", metavar="HOST:PORT"),
    ] = None,
    database: Annotated[
        str | None, typer.Option(help="A database instead of the SQLite file in --state.", metavar="URL")
    ] = None,
) -> None:
    """Run the controller in the foreground. Flags override DIR/controller.yaml."""
    from agent.wire.errors import WireError
    from controller import bootstrap
    from controller.broker import BrokerError
    from controller.store import StoreError

    try:
        bootstrap.serve(state, broker, http, database)
    except (WireError, BrokerError, StoreError, bootstrap.AlreadyRunning, OSError) as error:
        raise ClientError(str(error), FAILED) from None


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
