"""Random budgets against one-off prunes: what ships must measure inside, and use what it was given."""

from __future__ import annotations

import hashlib
from typing import Any

import numpy as np

from controller.core.caps import use, uses
from controller.core.costs import Costs, binding
from controller.core.nouns.caps import Caps
from controller.core.nouns.job import JobState
from controller.core.nouns.variant import Precision, Variant
from controller.core.nouns.work import Prune
from controller.pruning.artifact.measure import THOROUGH, measure
from controller.pruning.shelf import Shelf
from tests.bench.prune.lab import SEED, Lab

_QUICK_EPOCHS = 0.05  # what a structure costs does not depend on how long it recovered
_LEAST_SHARE = 0.25


def drawn(dense: Variant, smallest: Costs, count: int, seed: int) -> list[Caps]:
    """Caps on RAM, storage and latency together, each log-uniform between a little above the smallest and the dense."""
    dice = np.random.default_rng(seed)
    ends = (
        (smallest.ram_bytes, dense.ram_bytes),
        (smallest.storage_bytes, dense.size_bytes),
        (smallest.latency_s, dense.latency_p95_s),
    )
    rows = []
    for _ in range(count):
        ram, storage, latency = (_between(dice, max(low * 1.15, high * _LEAST_SHARE), high) for low, high in ends)
        rows.append(Caps(ram_bytes=int(ram), storage_bytes=int(storage), latency_s=latency))
    return rows


def _between(dice: np.random.Generator, low: float, high: float) -> float:
    return float(np.exp(dice.uniform(np.log(low), np.log(high))))


def envelopes(lab: Lab, count: int) -> list[dict[str, Any]]:
    """One-off prunes under drawn caps; each artifact is then measured once more, in other processes."""
    dense = lab.bench.shelf.dense()
    assert dense is not None
    caps_drawn = drawn(dense.variant, smallest(lab), count, SEED)
    quick, shelf = lab.spec_with(_QUICK_EPOCHS), lab.copied_shelf("quick")
    rows = []
    for number, caps in enumerate(caps_drawn, 1):
        lab.say(f"{lab.name}: envelope {number} of {count}: {caps.key}")
        result, _ = lab.job(Prune(caps), spec=quick, shelf=shelf)
        row: dict[str, Any] = {"caps": caps.key, "state": str(result.state), "detail": result.detail}
        if result.state is JobState.DONE and result.variant is not None:
            row |= _again(Shelf(shelf, result.model_digest), result.variant, caps)
        rows.append(row)
    return rows


def smallest(lab: Lab) -> Costs:
    """What the narrowest structure was measured to cost, when the dense model was."""
    points = lab.bench.shelf.points(Precision.FP32)
    return min((each.costs for each in points), key=lambda costs: costs.storage_bytes)


def _again(shelf: Shelf, variant: Variant, caps: Caps) -> dict[str, Any]:
    """The shipped bytes, measured anew beside the marks of their precision."""
    path = shelf.artifact(variant.sha256)
    assert hashlib.sha256(path.read_bytes()).hexdigest() == variant.sha256
    measured = measure(path, variant.sha256, SEED, *THOROUGH, shelf.pace(variant.precision))
    which, use_again = binding(measured.costs, caps)
    return {
        "precision": variant.precision,
        "binding": str(max(uses(caps, variant), key=lambda each: each.share).binding),
        "use": use(caps, variant),
        "binding_again": str(which),
        "use_again": use_again,
        "exceeded": use_again > 1,
        "ram_bytes": measured.ram_bytes,
        "bytes": measured.storage_bytes,
        "latency_p95_s": measured.latency_p95_s,
    }
