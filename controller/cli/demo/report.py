"""The demo's end: budgets beside what was measured, what fell short, and the same as one JSON object."""

from __future__ import annotations

from statistics import mean, median
from typing import IO, Any

from agent.wire.units import Unit, format_quantity
from controller.cli.demo.story import Observed, Scenes
from controller.client import Row
from controller.core.breach import detect
from controller.core.policy import Policy
from controller.core.types import Calibration, StoredWindow

_LEAST_VARIANTS = 4


def shortcomings(scenes: Scenes) -> list[str]:
    """Everything the demo promises and does not show; empty is success."""
    wrong = []
    for device, seen in scenes.after.items():
        if seen.row["feasible"] and not within_budget(seen):
            wrong.append(f"{device} is not within its measured budget")
        if not seen.row["feasible"] and not seen.row["relaxations"]:
            wrong.append(f"{device} was refused without saying what would do")
    if all(seen.row["feasible"] for seen in scenes.after.values()):
        wrong.append("no device was refused as infeasible")
    if len(scenes.ran) < _LEAST_VARIANTS:
        wrong.append(f"{len(scenes.ran)} different variants ran, at least {_LEAST_VARIANTS} are expected")
    if scenes.incident["state"] != "repaired":
        wrong.append(f"the incident ended {scenes.incident['state']}: {scenes.incident['outcome']}")
    return wrong


def within_budget(seen: Observed) -> bool:
    """By the controller's own rule: fewer than k of the newest n windows are outside the budget, and there are some."""
    base = seen.row["calibration"]["ram_base_bytes"]
    stored = [StoredWindow(seen.profile.device, "", 0.0, window) for window in seen.windows]
    calibration = Calibration(ram_base_bytes=base)
    return bool(stored) and detect(seen.profile, calibration, stored, Policy(min_samples=1)) is None


def outcome(scenes: Scenes) -> dict[str, Any]:
    """The object that `--json` prints as its last line."""
    dense = next(row for row in scenes.variants.values() if row["dense"])
    return {
        "devices": [_device(scenes, seen) for seen in scenes.after.values()],
        "incident": _incident(scenes.incident),
        "dense": {"bytes": dense["size_bytes"], "accuracy": dense["accuracy"]},
        "emulated_gflops": scenes.gflops,
        "seconds": scenes.elapsed_s,
    }


def print_report(scenes: Scenes, wrong: list[str], out: IO[str]) -> None:
    from rich.console import Console

    console = Console(file=out, width=None if out.isatty() else 150, highlight=False)
    dense = next(row for row in scenes.variants.values() if row["dense"])
    console.print()
    console.print(_fleet(scenes))
    console.print(
        f"dense model: {format_quantity(dense['size_bytes'], Unit.BYTES)}, {_accuracy(dense)} on people never seen. "
        f"Latency is emulated: CPU time at the pace of a device of {scenes.gflops:.2f} GFLOP/s. RAM is measured; "
        "temperature, power and battery come from the physics process, driven by each agent's measured duty."
    )
    for device, seen in scenes.after.items():
        if not seen.row["feasible"]:
            console.print(f"\n{device} is refused: {seen.row['reason']}.")
            console.print("What would do: " + "; or ".join(seen.row["relaxations"]) + ".")
    _print_incident(console, scenes)
    console.print()
    for each in wrong:
        console.print(f"NOT SHOWN: {each}")
    if not wrong:
        console.print(f"Every device that can be is inside its measured budget, after {scenes.elapsed_s:.0f} s.")


def _fleet(scenes: Scenes) -> Any:
    from rich.table import Table

    table = Table(title="Budgets, and what was measured on the devices at the end", box=None, pad_edge=False)
    headings = (
        "device",
        "bound by",
        "variant",
        "stored",
        "accuracy",
        "p95 / cap",
        "RAM / cap",
        "hot / limit",
        "power",
        "",
    )
    for heading in headings:
        table.add_column(heading, justify="left" if heading in ("device", "bound by", "variant", "") else "right")
    for device, seen in scenes.after.items():
        table.add_row(device, *_cells(scenes, seen))
    return table


def _cells(scenes: Scenes, seen: Observed) -> tuple[str, ...]:
    row, variant = seen.row, scenes.variants.get(seen.row["sha256"] or "")
    if variant is None or not seen.windows:
        return str(row["binding"]), "refused", "-", "-", "-", "-", "-", "-", ""
    found = measured(seen)
    return (
        str(row["binding"]),
        "dense" if variant["dense"] else str(variant["variant"]),
        format_quantity(variant["size_bytes"], Unit.BYTES),
        _accuracy(variant),
        f"{found['latency_p95_ms']:.1f} / {row['latency_cap_ms']:.1f} ms",
        f"{_model_ram(seen) / 2**20:.2f} / {row['ram_cap_bytes'] / 2**20:.1f} MiB" if row["ram_cap_bytes"] else "-",
        _heat(found["temperature_celsius"], row["temperature_limit_celsius"]),
        "-" if found["power_watts"] is None else format_quantity(found["power_watts"], Unit.WATTS),
        "ok" if within_budget(seen) else "OUTSIDE",
    )


def measured(seen: Observed) -> dict[str, float | None]:
    """Over the newest windows: peak RAM of the worker, median of the p95s, highest temperature, mean power."""
    windows = seen.windows
    return {
        "ram_bytes": max((w.ram_peak_bytes for w in windows if w.ram_peak_bytes is not None), default=None),
        "latency_p95_ms": _over(median, [w.latency_p95_ms for w in windows]),
        "temperature_celsius": _over(max, [w.temperature_celsius for w in windows]),
        "power_watts": _over(mean, [w.power_watts for w in windows]),
    }


def _over(summary: Any, values: list[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return float(summary(known)) if known else None


def _model_ram(seen: Observed) -> float:
    """What the model adds above the device's measured runtime base."""
    return (measured(seen)["ram_bytes"] or 0) - (seen.row["calibration"]["ram_base_bytes"] or 0)


def _heat(celsius: float | None, limit: float | None) -> str:
    return "-" if celsius is None or limit is None else f"{celsius:.1f} / {limit:.0f} C"


def _accuracy(variant: Row) -> str:
    if variant["accuracy"] is None:
        return "unverified"
    half = (variant["accuracy_high"] - variant["accuracy_low"]) / 2
    return f"{variant['accuracy'] * 100:.1f} ±{half * 100:.1f} %"


def _device(scenes: Scenes, seen: Observed) -> dict[str, Any]:
    row, variant = seen.row, scenes.variants.get(seen.row["sha256"] or "")
    caps = ("ram_cap_bytes", "storage_cap_bytes", "latency_cap_ms")
    bindings = ("ram_cap_binding", "storage_cap_binding", "latency_cap_binding")
    return {
        "id": row["id"],
        "feasible": row["feasible"],
        "binding": row["binding"],
        "envelope": {key: row[key] for key in (*caps, *bindings)},
        "variant": row["sha256"],
        "bytes": variant["size_bytes"] if variant else None,
        "accuracy": variant["accuracy"] if variant else None,
        "measured": measured(seen),
        "within_budget": within_budget(seen) if row["feasible"] else None,
        "reason": row["reason"],
        "relaxations": row["relaxations"],
    }


def _incident(incident: Row) -> dict[str, Any]:
    return {
        "device": incident["device"],
        "kind": incident["kind"],
        "diagnosis": incident["diagnosis"],
        "from_variant": incident["from_sha256"],
        "to_variant": incident["to_sha256"],
        "repaired": incident["state"] == "repaired",
        "seconds": incident["closed_unix_s"] - incident["opened_unix_s"],
    }


def _print_incident(console: Any, scenes: Scenes) -> None:
    incident = scenes.incident
    seconds = incident["closed_unix_s"] - incident["opened_unix_s"]
    old, new = (scenes.variants.get(incident[key] or "") for key in ("from_sha256", "to_sha256"))
    console.print(f"\nIncident {incident['id']}, {incident['state']} in {seconds:.0f} s by the controller alone:")
    console.print(f"  breach     {incident['evidence']}")
    console.print(f"  diagnosis  {incident['diagnosis']}")
    if old is not None and new is not None:
        console.print(f"  variant    {_variant(old)} -> {_variant(new)}")
    console.print(f"  outcome    {incident['outcome']}")


def _variant(row: Row) -> str:
    return f"{row['variant']} ({format_quantity(row['size_bytes'], Unit.BYTES)}, {_accuracy(row)})"
