"""A network's ladder: its rungs as rows, and what was predicted of them."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

from controller.core.nouns.variant import Variant
from controller.core.nouns.work import Dense, Ladder
from controller.pruning.cost.predict import Known, Predictor
from controller.pruning.jobs.variant import training_of
from tests.bench.prune.lab import Lab

RUNGS = 8
_KILLED_AFTER = 6  # variants: in the middle of a ladder


def ladder(lab: Lab) -> dict[str, Any]:
    """The whole ladder job, killed once in the middle and run again."""
    lab.job(Dense())  # the controller has it by the time that a ladder is asked for
    began = time.monotonic()
    _, before = lab.job(Ladder(RUNGS), kill_after=_KILLED_AFTER)
    result, after = lab.job(Ladder(RUNGS))
    kept = {each.sha256 for each in before} <= {each.sha256 for each in after}
    return {
        "rungs": RUNGS,
        "epochs_a_rung": lab.epochs,
        "wall_s": time.monotonic() - began,
        "killed_after_variants": len(before),
        "resumed_with_all_of_them": kept,
        "detail": result.detail,
        "points": [
            point_of(lab, variant, result.variants[0], epochs)
            for variant, epochs in zip(result.variants, trained_epochs(result.variants), strict=True)
        ],
    }


def trained_epochs(variants: Sequence[Variant]) -> list[float]:
    """Of each, since the dense model: its own recovery and that of all that it was cut from, which stand before it."""
    known = dict[str, float]()
    for each in variants:
        parent = known.get(str(each.lineage["parent"]), 0.0)
        known[each.sha256] = parent + training_of(each).epochs
    return [known[each.sha256] for each in variants]


def point_of(lab: Lab, variant: Variant, dense: Variant, epochs: float) -> dict[str, Any]:
    """One of our variants as a row."""
    rung = int(variant.requested.split("rung=")[1].split()[0]) if "rung=" in variant.requested else 0
    return {
        "series": f"hedgerow {variant.precision}",
        "setting": f"rung {rung}" if rung else "dense",
        "sha256": variant.sha256,
        "rung": rung,
        "epochs": epochs,
        "speedup": lab.speedup(lab.artifact(variant.sha256)),
        "speedup_in_service": dense.latency_p50_s / variant.latency_p50_s,
        "latency_s": variant.latency_p50_s,
        "latency_p95_s": variant.latency_p95_s,
        "ram_bytes": variant.ram_bytes,
        "bytes": variant.size_bytes,
        "bytes_saved": 1 - variant.size_bytes / dense.size_bytes,
        "accuracy": variant.accuracy,
        "accuracy_low": variant.accuracy_low,
        "accuracy_high": variant.accuracy_high,
        "drop": variant.drop,
        "drop_low": variant.drop_low,
        "drop_high": variant.drop_high,
        "margin": lab.margin(variant.sha256),
        "gate_samples": variant.gate_samples,
    }


def nearest(
    points: list[dict[str, Any]], speedup: float, precision: str = "fp32", bytes_saved: float = 0.0
) -> dict[str, Any] | None:
    """The mildest of our points that is at least so fast and so much smaller; else the fastest there is."""
    ours = [each for each in points if each["series"] == f"hedgerow {precision}" and each["rung"]]
    enough = [each for each in ours if each["speedup"] >= speedup and each["bytes_saved"] >= bytes_saved]
    if enough:
        return min(enough, key=lambda each: each["rung"])
    return max(ours, key=lambda each: each["speedup"], default=None)


def tracked(lab: Lab, points: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Predicted against measured for each point of the ladder: from the tables and what a job measures first alone, the
    dense and the narrowest structure in each precision; these themselves are left out."""
    rows = []
    for point in points:
        kin = lab.bench.shelf.kin((point["sha256"],))[0]
        precision = kin.variant.precision
        costs = lab.bench.costing.pricing(precision)  # type: ignore[arg-type]
        ends = lab.bench.shelf.points(precision)[:2]
        if any(each.is_of(kin.structure) for each in ends):
            continue
        predictor = Predictor([Known(costs.price(each.widths, each.dropped), each.costs) for each in ends], precision)
        predicted = predictor.costs(costs.price(kin.structure.widths, kin.structure.dropped))
        rows.append(
            {
                "sha256": point["sha256"],
                "precision": precision,
                "latency": predicted.latency_s / point["latency_p95_s"],
                "ram": predicted.ram_bytes / point["ram_bytes"],
                "storage": predicted.storage_bytes / point["bytes"],
            }
        )
    return rows
