"""The demo's end as one JSON object."""

from __future__ import annotations

from typing import Any

from controller.cli.demo.measured import energy, measured
from controller.cli.demo.scenes import Observed, Scenes
from controller.cli.demo.verdict import shortcomings, within_budget
from controller.client import Row


def outcome(scenes: Scenes) -> dict[str, Any]:
    """The object that `--json` prints as its last line. `not_shown` is empty where the demo succeeded."""
    return {
        "not_shown": shortcomings(scenes),
        "devices": [_device(scenes, seen) for seen in scenes.after.values()],
        "incident": _incident(scenes.incident),
        "dense": {"bytes": scenes.dense["size_bytes"], **_accuracy(scenes.dense)},
        "emulated_gflops": scenes.gflops,
        "variants_ran": len(scenes.ran),
        "prunes": scenes.prunes,
        "seconds": scenes.elapsed_s,
    }


def incident_seconds(incident: Row) -> float:
    seconds: float = incident["closed_unix_s"] - incident["opened_unix_s"]
    return seconds


def _device(scenes: Scenes, seen: Observed) -> dict[str, Any]:
    row, variant = seen.row, scenes.variant(seen)
    caps = ("ram_cap_bytes", "storage_cap_bytes", "latency_cap_ms")
    bindings = ("ram_cap_binding", "storage_cap_binding", "latency_cap_binding")
    return {
        "id": row["id"],
        "feasible": row["feasible"],
        "binding": row["binding"],
        "envelope": {key: row[key] for key in (*caps, *bindings)},
        "variant": row["sha256"],
        "bytes": variant["size_bytes"] if variant else None,
        **_accuracy(variant),
        **_energy(scenes, seen),
        "battery_life_s": row["battery_life_s"],
        "battery_life_dense_s": row["battery_life_dense_s"],
        "measured": measured(seen),
        "within_budget": within_budget(seen) if row["feasible"] else None,
        "reason": row["reason"],
        "relaxations": row["relaxations"],
    }


def _accuracy(variant: Row | None) -> dict[str, Any]:
    """`drop` is the share lost against the dense model on the same inputs; all with their 95 % intervals."""
    keys = ("accuracy", "accuracy_low", "accuracy_high", "drop", "drop_low", "drop_high")
    return {key: variant[key] if variant else None for key in keys}


def _energy(scenes: Scenes, seen: Observed) -> dict[str, Any]:
    found = energy(seen, scenes.dense)
    return {
        "energy_per_inference_joules": found.joules if found else None,
        "energy_source": found.source if found else None,
        "dense_energy_per_inference_joules": found.dense_joules if found else None,
    }


def _incident(incident: Row) -> dict[str, Any]:
    return {
        "device": incident["device"],
        "kind": incident["kind"],
        "diagnosis": incident["diagnosis"],
        "from_variant": incident["from_sha256"],
        "to_variant": incident["to_sha256"],
        "repaired": incident["state"] == "repaired",
        "seconds": incident_seconds(incident),
    }
