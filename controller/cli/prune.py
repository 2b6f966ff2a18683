"""`controller prune`: one variant under caps given by hand, or what unstructured sparsity would buy."""

from __future__ import annotations

import re
from typing import Annotated, Any

import typer
from typer.core import TyperCommand

from agent.wire.units import Unit
from controller.cli import figures
from controller.cli.follow import follow
from controller.cli.model import Ref
from controller.cli.options import API, OUTPUT, Api, Format, Output, quantity
from controller.cli.output import cell, note, show_json, show_row, show_rows
from controller.cli.table import Column
from controller.client import FAILED, USAGE, Client, ClientError, Row

USUAL_SHARE = "80%"
_AGAIN = "--again tries it once more"
_COSTS = (Column("", "cost"), Column("MEASURED", "measured"), Column("CAP", "cap"), Column("USE", "use"))
_SIDES = (Column("", "figure", wraps=True), Column("DENSE", "dense"), Column("SPARSE", "sparse"))


class OptionalShare(TyperCommand):
    """`--unstructured` without a number after it has its usual one."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        return super().parse_args(ctx, with_share(args))


def with_share(args: list[str]) -> list[str]:
    given = list(args)
    for at in reversed([at for at, each in enumerate(args) if each == "--unstructured"]):
        if not re.match(r"[\d.]", "".join(args[at + 1 : at + 2])):
            given.insert(at + 1, USUAL_SHARE)
    return given


def prune(
    model: Ref,
    *,
    latency: Annotated[str | None, typer.Option(help="Cap on the p95 of one inference, as in 4ms.")] = None,
    ram: Annotated[str | None, typer.Option(help="Cap on what the model adds to the bare runtime, as in 6MiB.")] = None,
    storage: Annotated[str | None, typer.Option(help="Cap on the artifact's bytes, as in 1MiB.")] = None,
    unstructured: Annotated[
        str | None,
        typer.Option(
            metavar=f"[SHARE, {USUAL_SHARE} if none is given]",
            help="Instead: what this share of single weights at zero saves, and what it does not.",
        ),
    ] = None,
    runtime: Annotated[str, typer.Option(help="What is to run it: onnxruntime or ncnn.")] = "onnxruntime",
    refine: Annotated[
        str | None, typer.Option(help="How long it may be made better once it is done, as 10min; 0s for not at all.")
    ] = None,
    again: Annotated[bool, typer.Option("--again", help="Also where the same failed, or nothing fitted.")] = False,
    wait: Annotated[bool, typer.Option("--wait/--no-wait", help="Follow it to its end.")] = True,
    api: Api = API,
    output: Output = OUTPUT,
) -> None:
    """Prune to caps on this host, whatever any device declares. The same caps are the same job, with its answer."""
    latency_s = quantity("--latency", latency, Unit.SECONDS)
    ram_bytes, storage_bytes = _bytes("--ram", ram), _bytes("--storage", storage)
    share, refine_s = quantity("--unstructured", unstructured, Unit.SHARE), quantity("--refine", refine, Unit.SECONDS)
    if (share is None) == all(cap is None for cap in (latency_s, ram_bytes, storage_bytes)):
        raise ClientError("give caps (at least one of --latency, --ram and --storage), or --unstructured", USAGE)
    if share is not None and refine_s is not None:
        raise ClientError("--refine makes a variant under caps better; --unstructured makes none", USAGE)
    with Client(api) as client:
        if share is None:
            job = client.ask_prune(
                model,
                latency_s=latency_s,
                ram_bytes=ram_bytes,
                storage_bytes=storage_bytes,
                runtime=runtime,
                refine_s=refine_s,
                again=again,
            )
        else:
            job = client.ask_unstructured(model, share, again)
        if wait:
            job = follow(client, job, _AGAIN)
    _show(job, output)
    if job["state"] == "infeasible":
        note(f"error: nothing of {job['model']} fits under these caps")
        raise typer.Exit(FAILED)


def _bytes(option: str, text: str | None) -> int | None:
    value = quantity(option, text, Unit.BYTES)
    return None if value is None else int(value)


def _show(job: Row, output: Format) -> None:
    if output is Format.JSON:
        show_json(job)
    elif job["report"] is not None:
        _show_report(job["report"])
    elif job["state"] in ("done", "infeasible"):
        _show_answer(job)
    else:
        show_row({key: job[key] for key in ("id", "model", "kind", "state", "detail")}, output)


def _show_answer(job: Row) -> None:
    variant = job["made"] or job["closest"]
    show_row({"job": job["id"], "model": job["model"], "state": job["state"], "binding": job["binding"]}, Format.TABLE)
    show_row({"detail": job["detail"], "refine": _refine(job["refine"])}, Format.TABLE)
    if variant is None:
        return
    print()
    show_row(
        {
            "variant" if job["made"] else "closest": variant["variant"],
            "runtime": variant["runtime"],
            "precision": variant["precision"],
            "accuracy": figures.accuracy(variant),
            "points below dense": figures.drop(variant),
            "sha256": variant["sha256"],
            "file": job["file"],
        },
        Format.TABLE,
    )
    print()
    show_rows(_costs(job, variant), _COSTS, Format.TABLE)
    if job["relaxations"]:
        print()
        show_row({"would do": job["relaxations"]}, Format.TABLE)


def _refine(job: Row | None) -> str | None:
    """How it goes with making the variant better, as in `running, 10 min in all: 40% recovering`."""
    if job is None:
        return None
    told = [job["state"], f"{cell('budget_s', job['budget_s'])} in all", job["variant"] and f"variant {job['variant']}"]
    return ": ".join(filter(None, (", ".join(filter(None, told)), job["detail"])))


def _costs(job: Row, variant: Row) -> list[Row]:
    latency, cap = "latency_p95_ms", "latency_cap_ms"
    return [
        _cost("latency p50", variant, "latency_p50_ms"),
        _cost("latency p95", variant, latency, job[cap], job["latency_use_share"]),
        _cost("RAM", variant, "ram_bytes", job["ram_cap_bytes"], job["ram_use_share"]),
        _cost("bytes", variant, "size_bytes", job["storage_cap_bytes"], job["storage_use_share"]),
    ]


def _cost(name: str, variant: Row, key: str, cap: float | None = None, use: float | None = None) -> Row:
    return {
        "cost": name,
        "measured": cell(key, variant[key]),
        "cap": cell(key, cap),
        "use": None if use is None else f"{use * 100:.0f} %",
    }


def _show_report(report: Row) -> None:
    dense, sparse = report["dense"], report["sparse"]
    names = {
        "zeros_share": "zeros",
        "size_bytes": "artifact",
        "transfer_bytes": f"to transfer ({report['compression'] or 'compressed'})",
        "latency_p50_ms": "latency p50",
        "latency_p95_ms": "latency p95",
        "ram_bytes": "RAM",
    }
    rows = [
        {"figure": name, "dense": cell(key, dense[key]), "sparse": cell(key, sparse[key])}
        for key, name in names.items()
    ]
    rows.append({"figure": "accuracy", "dense": figures.accuracy(dense), "sparse": figures.accuracy(sparse)})
    show_rows(rows, _SIDES, Format.TABLE)
    print(f"\n{report['conclusion']}")
