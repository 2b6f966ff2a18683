"""A network's ladder, and the peers at the same measured speeds with the same number of training epochs.

A rung is trained through all the rungs above it, so a peer's point beside it has the epochs of that whole chain: what
an operator would spend who wants this one point.
"""

from __future__ import annotations

import time
from typing import Any

from torch import nn

from controller.core.types import JobKind, Variant
from controller.pruning.cost.predict import Known, Predictor
from controller.pruning.stage import stage_of
from controller.zoo.reference import find_reference
from tests.bench.prune import peers
from tests.bench.prune.lab import Lab
from tests.bench.prune.peers import Remembered, UnreachableError

RUNGS = 8
SPEEDUPS = (3.0, 5.0)
_KILLED_AFTER = 6  # variants: in the middle of a ladder


def ladder(lab: Lab) -> dict[str, Any]:
    """The whole ladder job, killed once in the middle and run again."""
    lab.job(JobKind.DENSE)  # the controller has it by the time that a ladder is asked for
    began = time.monotonic()
    _, before = lab.job(JobKind.LADDER, rungs=RUNGS, kill_after=_KILLED_AFTER)
    result, after = lab.job(JobKind.LADDER, rungs=RUNGS)
    kept = {each.sha256 for each in before} <= {each.sha256 for each in after}
    return {
        "rungs": RUNGS,
        "epochs_a_rung": lab.epochs,
        "wall_s": time.monotonic() - began,
        "killed_after_variants": len(before),
        "resumed_with_all_of_them": kept,
        "detail": result.detail,
        "points": [point_of(lab, variant, result.variants[0]) for variant in result.variants],
    }


def point_of(lab: Lab, variant: Variant, dense: Variant) -> dict[str, Any]:
    """One of our variants as a row."""
    rung = int(variant.requested.split("rung=")[1].split()[0]) if "rung=" in variant.requested else 0
    return {
        "series": f"hedgerow {variant.precision}",
        "setting": f"rung {rung}" if rung else "dense",
        "sha256": variant.sha256,
        "rung": rung,
        "epochs": rung * lab.epochs,
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


def rivals(lab: Lab, points: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Every peer at the speed of our point nearest each speed-up, trained for as many epochs as the point has."""
    data = lab.bench.model.data
    assert data is not None
    dense_s = _dense_s(points)

    def share(module: nn.Module) -> float:
        return 1 / lab.speedup(lab.bench.export(module, "fp32"))

    measure = Remembered(share, lab.work / lab.name / "peer-latencies.json", lab.name)
    rows = []
    found_nearest = [ours for wanted in SPEEDUPS if (ours := nearest(points, wanted)) is not None]
    for ours in {each["rung"]: each for each in found_nearest}.values():
        for peer in peers.torch_pruning_peers(lab.bench.model.module, data.train):
            lab.say(f"{lab.name}: {peer.name} at {ours['speedup']:.2f}x, {ours['epochs']:g} epochs")
            try:
                found = peer.make(1 / ours["speedup"], measure)
            except UnreachableError as error:
                rows.append({"series": peer.name, "beside": ours["rung"], "unreachable": str(error)})
                continue
            module = lab.recovered(found.module, ours["epochs"])
            rows.append(_row(lab, peer.name, found.setting, module, 1 / found.latency, dense_s, ours))
        rows.append(_scratch(lab, ours, dense_s))
    return rows


def _dense_s(points: list[dict[str, Any]]) -> float:
    """The dense model's latency in service."""
    latency_s: float = next(each["latency_s"] for each in points if each["rung"] == 0)
    return latency_s


def _scratch(lab: Lab, ours: dict[str, Any], dense_s: float) -> dict[str, Any]:
    """Our own widths, trained from nothing for as many epochs as ours took after the dense training."""
    lab.say(f"{lab.name}: scratch at {ours['speedup']:.2f}x, {ours['epochs']:g} epochs")
    data = lab.bench.model.data
    assert data is not None
    kin = lab.bench.shelf.kin((ours["sha256"],))[0]
    module = stage_of(lab.bench, kin).module
    samples = round(ours["epochs"] * len(data.train.inputs))
    trained = peers.scratch(module, data.train, find_reference(lab.name).recipe, samples, lambda _: None)
    return _row(lab, "scratch", "our widths", trained.eval(), ours["speedup"], dense_s, ours)


def _row(
    lab: Lab, series: str, setting: str, module: nn.Module, speedup: float, dense_s: float, ours: dict[str, Any]
) -> dict[str, Any]:
    accuracy, paired = lab.judged(lab.answers(module))
    built = lab.bench.build(module, "fp32", 200, 5)
    return {
        "series": series,
        "setting": setting,
        "beside": ours["rung"],
        "epochs": ours["epochs"],
        "speedup": speedup,
        "speedup_in_service": dense_s / built.measured.latency_p50_s,
        "latency_s": built.measured.latency_p50_s,
        "latency_p95_s": built.measured.latency_p95_s,
        "ram_bytes": built.measured.ram_bytes,
        "bytes": len(built.artifact),
        "accuracy": accuracy.share,
        "accuracy_low": accuracy.low,
        "accuracy_high": accuracy.high,
        "margin": paired.smallest_margin,
        "drop": paired.drop,
        "drop_low": paired.drop_low,
        "drop_high": paired.drop_high,
    }


def tracked(lab: Lab, points: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Predicted against measured for each point of the ladder: from the tables and what a job measures first alone, the
    dense model in each precision and the narrowest structure in fp32; these themselves are left out."""
    rows = []
    for point in points:
        kin = lab.bench.shelf.kin((point["sha256"],))[0]
        precision = kin.variant.precision
        costs = lab.bench.costs(precision)  # type: ignore[arg-type]
        ends = lab.bench.shelf.points(precision)[: 2 if precision == "fp32" else 1]
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
