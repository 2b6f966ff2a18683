"""The demo's end for a reader: budgets beside what was measured, the incident, and what fell short."""

from __future__ import annotations

from typing import IO, TYPE_CHECKING

from agent.wire.units import Unit, format_quantity
from controller.cli.demo.measured import energy, measured, model_ram_bytes
from controller.cli.demo.outcome import incident_seconds
from controller.cli.demo.scenes import Observed, Scenes
from controller.cli.demo.verdict import within_budget
from controller.cli.figures import accuracy
from controller.client import Row

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

_PIPE_WIDTH = 180
_WORDS = ("device", "bound by", "variant", "")
_HEADINGS = (
    "device",
    "bound by",
    "variant",
    "stored",
    "accuracy (95 %)",
    "points beside dense",
    "p95 / cap",
    "RAM / cap",
    "hot / limit",
    "energy / dense",
    "",
)


def print_report(scenes: Scenes, wrong: list[str], out: IO[str]) -> None:
    from rich.console import Console

    console = Console(file=out, width=None if out.isatty() else _PIPE_WIDTH, highlight=False)
    console.print()
    console.print(_fleet(scenes))
    console.print(_explained(scenes))
    for device, seen in scenes.after.items():
        if seen.row["battery_life_s"] is not None:
            console.print(f"\n{device}'s battery: {_life(seen)}.")
        if not seen.row["feasible"]:
            console.print(f"\n{device} is refused: {seen.row['reason']}.")
            console.print("What would do: " + "; or ".join(seen.row["relaxations"]) + ".")
    _print_incident(console, scenes)
    took = f"{len(scenes.ran)} variants ran, {scenes.prunes} prunes were made, in {scenes.elapsed_s:.0f} s."
    console.print(f"\n{took}")
    for each in wrong:
        console.print(f"NOT SHOWN: {each}")
    if not wrong:
        console.print("Every device that can be is inside its measured budget.")


def against_dense(variant: Row) -> str:
    """Points of accuracy above the dense model's on the same inputs; "tied" where that cannot be told apart."""
    if variant["dense"] or variant["drop"] is None:
        return "-"
    low, high = (0.0 if variant[key] is None else -variant[key] for key in ("drop_high", "drop_low"))
    gained = f"{-variant['drop'] * 100:+.1f} ({low * 100:+.1f} to {high * 100:+.1f})"
    return f"{gained}, tied" if low <= 0 <= high else gained


def _explained(scenes: Scenes) -> str:
    dense = scenes.dense
    return (
        f"dense model: {format_quantity(dense['size_bytes'], Unit.BYTES)}, {accuracy(dense)} on people never seen; "
        "tied with it: cannot be told apart on the same inputs. "
        f"Latency is emulated: CPU time at the pace of a device of {scenes.gflops:.2f} GFLOP/s. RAM is measured; "
        "temperature, power and battery come from the physics process, driven by each agent's measured duty. Energy is "
        "for each inference, with its share of the idle draw; the dense model's is modelled."
    )


def _fleet(scenes: Scenes) -> Table:
    from rich.table import Table

    table = Table(title="Budgets, and what was measured on the devices at the end", box=None, pad_edge=False)
    for heading in _HEADINGS:
        table.add_column(heading, justify="left" if heading in _WORDS else "right")
    for device, seen in scenes.after.items():
        table.add_row(device, *_cells(scenes, seen))
    return table


def _cells(scenes: Scenes, seen: Observed) -> tuple[str, ...]:
    row, variant = seen.row, scenes.variant(seen)
    if variant is None or not seen.windows:
        return str(row["binding"]), "-" if row["feasible"] else "refused", *["-"] * 7, ""
    found = measured(seen)
    return (
        str(row["binding"]),
        "dense" if variant["dense"] else str(variant["variant"]),
        _stored(variant, scenes.dense),
        accuracy(variant),
        against_dense(variant),
        f"{found['latency_p95_ms']:.1f} / {row['latency_cap_ms']:.1f} ms",
        f"{model_ram_bytes(seen) / 2**20:.2f} / {row['ram_cap_bytes'] / 2**20:.1f} MiB"
        if row["ram_cap_bytes"]
        else "-",
        _heat(found["temperature_celsius"], row["temperature_limit_celsius"]),
        _energy(seen, scenes.dense),
        "ok" if within_budget(seen) else "OUTSIDE",
    )


def _stored(variant: Row, dense: Row) -> str:
    share = "" if variant["dense"] else f", 1/{dense['size_bytes'] / variant['size_bytes']:.0f}"
    return format_quantity(variant["size_bytes"], Unit.BYTES) + share


def _heat(celsius: float | None, limit: float | None) -> str:
    return "-" if celsius is None or limit is None else f"{celsius:.1f} / {limit:.0f} C"


def _energy(seen: Observed, dense: Row) -> str:
    found = energy(seen, dense)
    return "-" if found is None else f"{found.joules * 1e3:.0f} / {found.dense_joules * 1e3:.0f} mJ {found.source}"


def _life(seen: Observed) -> str:
    """Projected, beside what is demanded."""
    battery = seen.profile.battery
    lives = (seen.row["battery_life_s"], seen.row["battery_life_dense_s"], battery.lifetime_s if battery else 0.0)
    now, dense, demanded = (format_quantity(each, Unit.SECONDS) for each in lives)
    return f"{now} projected on its variant, {dense} on the dense model, {demanded} demanded"


def _print_incident(console: Console, scenes: Scenes) -> None:
    incident = scenes.incident
    old, new = (scenes.variants.get(incident[key] or "") for key in ("from_sha256", "to_sha256"))
    seconds = incident_seconds(incident)
    console.print(f"\nIncident {incident['id']}, {incident['state']} in {seconds:.0f} s by the controller alone:")
    console.print(f"  breach     {incident['evidence']}")
    console.print(f"  diagnosis  {incident['diagnosis']}")
    if old is not None and new is not None:
        console.print(f"  variant    {_variant(old)} -> {_variant(new)}")
    console.print(f"  outcome    {incident['outcome']}")


def _variant(row: Row) -> str:
    return f"{row['variant']} ({format_quantity(row['size_bytes'], Unit.BYTES)}, {accuracy(row)})"
