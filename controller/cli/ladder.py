"""`controller model ladder`: a model's rungs, built where that is wanted, as a table and as a picture."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from controller.cli import figures
from controller.cli.follow import follow
from controller.cli.model import Ref
from controller.cli.options import API, OUTPUT, Api, Format, Output
from controller.cli.output import note, show_json, show_rows
from controller.cli.plot import prepare
from controller.cli.table import Column
from controller.client import USAGE, Client, ClientError, Row

_RUNGS = (
    Column("RUNG", "rung"),
    Column("VARIANT", "variant"),
    Column("PRECISION", "precision", 6),
    Column("ACCURACY", "accuracy_words", 9),
    Column("POINTS BELOW DENSE", "drop_words", 2),
    Column("LATENCY P50", "latency_p50_ms", 3),
    Column("P95", "latency_p95_ms", 8),
    Column("SPEED-UP", "speedup_words", 5),
    Column("RAM", "ram_bytes", 7),
    Column("BYTES", "size_bytes", 8),
    Column("SAVED", "saved_share", 4),
)


def ladder(
    model: Ref,
    build: Annotated[bool, typer.Option("--build/--no-build", help="Make its rungs first, and follow that.")] = False,
    rungs: Annotated[int, typer.Option(help="At most so many to --build; the accuracy floor may end it before.")] = 12,
    plot: Annotated[Path | None, typer.Option(help="Draw it as PNG into this file.", metavar="FILE")] = None,
    peers: Annotated[
        Path | None, typer.Option(help="A benchmark's JSON; its points of this model are drawn too.", metavar="FILE")
    ] = None,
    api: Api = API,
    output: Output = OUTPUT,
) -> None:
    """The variants of a model that no other one beats in everything, the dense one first."""
    if peers is not None and plot is None:
        raise ClientError("--peers are drawn: give --plot too", USAGE)
    with Client(api) as client:
        name = client.model(model)["name"]
        drawn = None if plot is None else prepare(name, plot, peers)
        if build:
            # To ask for the same again is to go on: what is built already is not built twice.
            follow(client, client.ask_ladder(model, rungs, again=True), "ask again to go on")
        rows, known = client.ladder(model), len(client.variants(model))
    if output is Format.JSON:
        show_json(rows)
    else:
        words = [_in_words(row) for row in rows]
        show_rows(words, _RUNGS, output)
        note(f"{len(rows)} of {known} variants; the others are better in nothing that the measurements tell apart")
    if drawn is not None:
        drawn.draw(rows)
        note(f"drawn into {plot}")


def _in_words(row: Row) -> Row:
    speedup = row["speedup"]
    return {
        **row,
        "accuracy_words": figures.accuracy(row),
        "drop_words": figures.drop(row),
        "speedup_words": None if speedup is None else f"{speedup:.2f}x",
    }
