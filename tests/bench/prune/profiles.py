"""A thousand devices, all different, served by a ladder: what each loses against a prune made for it alone."""

from __future__ import annotations

from dataclasses import astuple
from typing import Any

import numpy as np

from controller.core.caps import use
from controller.core.nouns.caps import Caps
from controller.core.nouns.job import JobState
from controller.core.nouns.variant import Variant
from controller.core.nouns.work import Prune
from controller.pruning.job import JobResult
from controller.pruning.shelf import Shelf
from tests.bench.prune.envelopes import drawn, smallest
from tests.bench.prune.lab import SEED, Lab

_DEVICES, _MOST_ARTIFACTS = 1000, 24


def profiles(lab: Lab, bespoke: int) -> dict[str, Any]:
    """Serve the devices from the ladder's artifacts and a few more; for `bespoke` of them also prune to their own caps.

    A prune may go on from the ladder's recovered weights, as the controller's do.
    """
    shelf = Shelf(lab.copied_shelf("profiles"), lab.bench.model.digest)
    dense, kin = shelf.dense(), shelf.kin()
    assert dense is not None
    ladder = [each.variant for each in kin if each.variant.dense or "ladder" in each.variant.requested]
    devices = drawn(dense.variant, smallest(lab), _DEVICES, SEED + 1)
    artifacts = _filled(lab, shelf, ladder, devices)
    served = [_serve(artifacts, caps) for caps in devices]
    sampled = np.random.default_rng(SEED).choice(_DEVICES, bespoke, replace=False)
    rows = [_row(lab, shelf, devices[int(index)], served[int(index)]) for index in sampled]
    regrets = [row["regret"] for row in rows if row["regret"] is not None]
    return {
        "devices": _DEVICES,
        "artifacts": len(artifacts),
        "of_the_ladder": len(ladder),
        "served": sum(each is not None for each in served),
        "bespoke": rows,
        "mean_regret": float(np.mean(regrets)) if regrets else None,
    }


def _filled(lab: Lab, shelf: Shelf, ladder: list[Variant], devices: list[Caps]) -> list[Variant]:
    """The ladder, and for devices that it has nothing for a variant that serves most of them, as long as that helps."""
    artifacts = ladder[:_MOST_ARTIFACTS]
    tried = set[str]()
    while len(artifacts) < _MOST_ARTIFACTS:
        left = [caps for caps in devices if _serve(artifacts, caps) is None and caps.key not in tried]
        if not left:
            break
        caps = max(left, key=lambda mine: sum(_tighter(mine, other) for other in left))
        tried.add(caps.key)
        result = _prune(lab, shelf, caps)
        if result.state is JobState.DONE and result.variant is not None:
            artifacts.append(result.variant)
    return artifacts


def _tighter(mine: Caps, other: Caps) -> bool:
    """Whether what fits `mine` fits `other` too."""
    pairs = zip(astuple(mine), astuple(other), strict=True)
    return all(a is not None and b is not None and a <= b for a, b in pairs)


def _prune(lab: Lab, shelf: Shelf, caps: Caps) -> JobResult:
    lab.say(f"{lab.name}: a prune to {caps.key}")
    known = tuple(each.variant.sha256 for each in shelf.kin())
    return lab.job(Prune(caps), shelf=shelf.folder, start_from=known)[0]


def _serve(artifacts: list[Variant], caps: Caps) -> Variant | None:
    """The most accurate artifact inside the caps."""
    fitting = [each for each in artifacts if use(caps, each) <= 1]
    return max(fitting, key=lambda each: (each.accuracy or 0.0, -each.size_bytes), default=None)


def _row(lab: Lab, shelf: Shelf, caps: Caps, served: Variant | None) -> dict[str, Any]:
    result = _prune(lab, shelf, caps)
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
