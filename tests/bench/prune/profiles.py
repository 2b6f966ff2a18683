"""A thousand devices, all different, served by a ladder: what each loses against a prune made for it alone."""

from __future__ import annotations

from typing import Any

import numpy as np

from controller.core.types import Caps, JobKind, JobState, Variant
from controller.pruning.shelf import Kin
from tests.bench.prune.envelopes import drawn, smallest
from tests.bench.prune.lab import SEED, Lab

_DEVICES, _MOST_ARTIFACTS = 1000, 24


def profiles(lab: Lab, bespoke: int) -> dict[str, Any]:
    """Serve the devices from the ladder's artifacts; for `bespoke` of them also prune to their own caps."""
    ladder = [kin for kin in lab.bench.shelf.kin() if "ladder" in kin.variant.requested or kin.variant.dense]
    ladder = _fewest(ladder, _MOST_ARTIFACTS)
    dense = lab.bench.shelf.dense()
    assert dense is not None
    devices = drawn(dense.variant, smallest(lab), _DEVICES, SEED + 1)
    served = [_serve(ladder, caps) for caps in devices]
    sampled = np.random.default_rng(SEED).choice(_DEVICES, bespoke, replace=False)
    rows = [_row(lab, number, devices[int(index)], served[int(index)]) for number, index in enumerate(sampled, 1)]
    regrets = [row["regret"] for row in rows if row["regret"] is not None]
    return {
        "devices": _DEVICES,
        "artifacts": len({each.sha256 for each in served if each is not None}),
        "served": sum(each is not None for each in served),
        "bespoke": rows,
        "mean_regret": float(np.mean(regrets)) if regrets else None,
    }


def _fewest(ladder: list[Kin], most: int) -> list[Kin]:
    return sorted(ladder, key=lambda kin: -(kin.variant.accuracy or 0.0))[:most]


def _serve(ladder: list[Kin], caps: Caps) -> Variant | None:
    """The most accurate artifact inside the caps."""
    fitting = [kin.variant for kin in ladder if kin.share(caps) <= 1]
    return max(fitting, key=lambda each: (each.accuracy or 0.0, -each.size_bytes), default=None)


def _row(lab: Lab, number: int, caps: Caps, served: Variant | None) -> dict[str, Any]:
    lab.say(f"{lab.name}: bespoke prune {number}: {caps.key}")
    result, _ = lab.job(JobKind.PRUNE, caps=caps, shelf=lab.work / lab.name / "bespoke")
    made = result.variant if result.state is JobState.DONE else None
    regret = None
    if made is not None and made.accuracy is not None:
        regret = made.accuracy - (0.0 if served is None or served.accuracy is None else served.accuracy)
    return {
        "caps": caps.key,
        "served": None if served is None else served.accuracy,
        "served_precision": None if served is None else served.precision,
        "bespoke": None if made is None else made.accuracy,
        "bespoke_precision": None if made is None else made.precision,
        "regret": regret,
    }
