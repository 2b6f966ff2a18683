"""`controller model` and `controller plan`."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Annotated

import typer

from agent.wire.units import Unit
from controller.cli import figures
from controller.cli.options import API, OUTPUT, Api, Format, Output, Selector, group, quantity
from controller.cli.output import note, show_json, show_row, show_rows
from controller.cli.table import BELOW, Column
from controller.client import FAILED, USAGE, Client, ClientError, Row

app = group("Models, and the variants pruned from them.")
Ref = Annotated[str, typer.Argument(metavar="MODEL", help="name@version, or a name: its newest version.")]
_POLL_S = 0.5
_COLUMNS = (
    Column("MODEL", "ref"),
    Column("STATE", "state", 9),
    Column("FLOOR", "accuracy_floor", 8),
    Column("ADDED", "added_unix_s", 7),
    Column("SPEC", "spec_path", 1),
)
_VARIANTS = (
    Column("VARIANT", "variant"),
    Column("DENSE", "dense", 6),
    Column("RUNTIME", "runtime", 3),
    Column("PRECISION", "precision", 5),
    Column("ACCURACY", "accuracy", 9),
    Column("POINTS BELOW DENSE", "drop_words", 4),
    Column("LATENCY P95", "latency_p95_ms", 8),
    Column("P95 PREDICTED", "latency_predicted", 2),
    Column("RAM", "ram_bytes", 7),
    Column("RAM PREDICTED", "ram_predicted", 1),
    Column("SIZE", "size_bytes", 8),
    Column("PARAMETERS", "parameters", 3),
    Column("MADE IN", "took", 2),
)
_PLAN = (
    Column("DEVICE", "device"),
    Column("CURRENT", "current", 7),
    Column("TARGET", "target", 9),
    Column("BINDING", "binding", 8),
    Column("LATENCY P95", "predicted_latency_p95_ms", 6),
    Column("LATENCY CAP", "latency_cap_ms", 5),
    Column("RAM", "predicted_ram_bytes", 4),
    Column("RAM CAP", "ram_cap_bytes", 3),
    Column("SIZE", "size_bytes", 2),
    Column("SIZE CAP", "storage_cap_bytes", 1),
    Column("ACCURACY", "accuracy", 6),
    Column("ENERGY", "energy_above_idle_joules", 3),
    Column("LASTS", "battery_life_s", 6),
    Column("DENSE LASTS", "battery_life_dense_s", 2),
    Column("WHY", "why", BELOW),
    Column("INSTEAD", "instead", BELOW),
)


@app.command()
def add(
    file: Annotated[Path, typer.Option("--file", "-f", help="The model's spec, YAML, on the controller's host.")],
    wait: Annotated[bool, typer.Option("--wait/--no-wait", help="Wait until the dense model is measured.")] = True,
    api: Api = API,
    output: Output = OUTPUT,
) -> None:
    """Add a model from its spec: the dense model is loaded, checked, exported and measured."""
    if not os.path.isfile(file):  # Path.is_file raises where the name is too long
        raise ClientError(
            f"{file} is no file here; the controller reads the spec and the weights from its own disk", USAGE
        )
    with Client(api) as client:
        model = client.add_model(str(file.resolve()))
        note(f"model {model['ref']} is added; its dense variant is being measured")
        if wait:
            model = _measured(client, model)
        _show(model, client.variants(model["ref"]), output)


def _measured(client: Client, model: Row) -> Row:
    """Follow the measuring, telling each step on stderr; raises `ClientError` with the reason where it fails."""
    told = ""
    while model["state"] in ("queued", "running"):
        time.sleep(_POLL_S)
        model = client.model(model["ref"])
        if model["state"] == "running" and model["detail"] not in ("", told):
            told = model["detail"]
            note(told)
    if model["state"] != "done":
        raise ClientError(f"model {model['ref']} cannot be used: {model['detail']}", FAILED)
    return model


@app.command("set")
def set_model(
    model: Ref,
    *,
    prefer: Annotated[
        str | None,
        typer.Option(
            metavar="accuracy|frugal",
            help="Of the variants that fit: the most right one, or the cheapest within the margin of it.",
        ),
    ] = None,
    ladder: Annotated[int | None, typer.Option(help="Rungs to make in the background; 0 makes none.")] = None,
    floor: Annotated[str | None, typer.Option(help="The least accuracy, as 88%; 0% for none.")] = None,
    margin: Annotated[
        str | None, typer.Option(help="How much less right than dense a variant may be, as 1%; 0% for none.")
    ] = None,
    recover: Annotated[
        str | None, typer.Option(help="How long a variant may train: epochs, as 2, or CPU time, as 30s.")
    ] = None,
    refine: Annotated[
        str | None,
        typer.Option(help="How long each variant may be made better once it is there, as 10min; 0s for none."),
    ] = None,
    api: Api = API,
    output: Output = OUTPUT,
) -> None:
    """Change what is wanted of a model's variants. What the model is stays, and so does its version."""
    policy = {
        "prefer": prefer,
        "ladder": ladder,
        "accuracy_floor": quantity("--floor", floor, Unit.SHARE),
        "accuracy_margin": quantity("--margin", margin, Unit.SHARE),
        "refine_s": quantity("--refine", refine, Unit.SECONDS),
        **_recovery(recover),
    }
    with Client(api) as client:
        show_row(client.set_model(model, **policy), output)


def _recovery(text: str | None) -> dict[str, float | None]:
    """A bare number is epochs, one with a unit is time. Raises `ClientError`."""
    try:
        return {} if text is None else {"recover_epochs": float(text)}
    except ValueError:
        return {"recover_cpu_s": quantity("--recover", text, Unit.SECONDS)}


@app.command("list")
def list_models(api: Api = API, output: Output = OUTPUT) -> None:
    """All models, newest first."""
    with Client(api) as client:
        show_rows(client.models(), _COLUMNS, output)


@app.command()
def show(model: Ref, api: Api = API, output: Output = OUTPUT) -> None:
    """One model with its variants, as measured on the reference host."""
    with Client(api) as client:
        _show(client.model(model), client.variants(model), output)


def _show(model: Row, variants: list[Row], output: Format) -> None:
    if output is Format.JSON:
        show_json({**model, "variants": variants})
        return
    show_row(model, output)
    print()
    show_rows([_in_words(each) for each in variants], _VARIANTS, output)
    kept_dense = next((each["lineage"].get("kept_dense") for each in variants if each["dense"]), None)
    if kept_dense:
        print()
        show_row({"kept dense": kept_dense}, output)


def _in_words(variant: Row) -> Row:
    return {
        **variant,
        "drop_words": figures.drop(variant),
        "took": figures.took(variant),
        "latency_predicted": figures.predicted(variant, "latency_p95_s"),
        "ram_predicted": figures.predicted(variant, "ram_bytes"),
    }


def plan(model: Ref, selector: Selector = "", api: Api = API, output: Output = OUTPUT) -> None:
    """What each device would run, with its upper bounds against its caps, and why; nothing is changed."""
    with Client(api) as client:
        rows = client.plan(model, selector)
    if output is Format.JSON:
        show_json(rows)
        return
    for row in rows:
        row["target"] = "prune needed" if row["prune_needed"] else row["variant"] or "infeasible"
        row["instead"] = figures.instead(row)
        row["why"] = "; or ".join([row["reason"], *row["relaxations"]]) if row["reason"] else None
    show_rows(rows, _PLAN, output)
    if not rows:
        note(f"no device matches {selector!r}" if selector else "there are no devices")
