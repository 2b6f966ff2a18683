"""What one prune to one measured speed makes: ours and each peer's, with the budget of recovery that the spec has.

And ours from the ladder, which has had a rung's recovery more than the rung that it starts from.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from torch import nn

from controller.core.nouns.variant import Precision
from controller.pruning.artifact.measure import THOROUGH
from controller.zoo.reference import find_reference
from tests.bench.prune import peers
from tests.bench.prune.lab import Lab
from tests.bench.prune.oneoff import from_rung, one_off
from tests.bench.prune.peers import Found, Measure, Peer, Remembered, UnreachableError

SPEEDUPS = (3.0, 5.0)
Row = dict[str, Any]


def rivals(lab: Lab, points: list[Row]) -> list[Row]:
    """Everyone's prune to each speed-up over the dense model, which is rung 0 of the ladder's `points`."""
    data = lab.bench.model.data
    assert data is not None
    ours, theirs = one_off(lab.bench), peers.torch_pruning_peers(lab.bench.model.module, data.train)
    rows = list[Row]()
    for wanted in SPEEDUPS:
        race = _race(lab, wanted, points)
        rows += race.with_scratch(ours)
        rows += [race.pruned(peer)[0] for peer in theirs]
    return rows


def from_ladder(lab: Lab, points: list[Row]) -> list[Row]:
    """Our prune to each speed-up from the last rung that is slower, where a prune starts once there is a ladder."""
    rows = list[Row]()
    for wanted in SPEEDUPS:
        above = max((each for each in _in_fp32(points) if each["speedup"] < wanted), key=lambda each: each["rung"])
        (rung,) = lab.bench.shelf.kin((above["sha256"],))
        row, _ = _race(lab, wanted, points).pruned(from_rung(lab.bench, rung))
        rows.append(row | {"setting": above["setting"], "epochs": above["epochs"] + lab.epochs})
    return rows


def _race(lab: Lab, wanted: float, points: list[Row]) -> _Race:
    def share(module: nn.Module) -> float:
        return 1 / lab.speedup(lab.bench.lab.export(module, Precision.FP32))

    measure = Remembered(share, lab.work / lab.name / "peer-latencies.json", lab.name)
    dense_s = next(each["latency_s"] for each in _in_fp32(points) if each["rung"] == 0)
    return _Race(lab, measure, wanted, dense_s)


def _in_fp32(points: list[Row]) -> list[Row]:
    return [each for each in points if each["series"] == "hedgerow fp32"]


@dataclass(frozen=True, slots=True)
class _Race:
    """To one speed-up. `dense_s` is the dense model's latency in service."""

    lab: Lab
    measure: Measure
    speedup: float
    dense_s: float

    def pruned(self, peer: Peer) -> tuple[Row, Found | None]:
        self._say(peer.name)
        try:
            found = peer.make(1 / self.speedup, self.measure)
        except UnreachableError as error:
            return {"series": peer.name, "at": self.speedup, "unreachable": str(error)}, None
        return self._row(peer.name, found, self.lab.recovered(found.module)), found

    def with_scratch(self, ours: Peer) -> list[Row]:
        """Ours, and its widths trained from nothing for as many epochs as ours took after the dense training."""
        row, found = self.pruned(ours)
        if found is None:
            return [row]
        self._say("scratch")
        data, recipe = self.lab.bench.model.data, find_reference(self.lab.name).recipe
        assert data is not None
        samples = round(self.lab.epochs * len(data.train.inputs))
        trained = peers.scratch(found.module, data.train, recipe, samples, lambda _: None)
        return [row, self._row("scratch", replace(found, setting="our widths"), trained.eval())]

    def _say(self, who: str) -> None:
        self.lab.say(f"{self.lab.name}: {who} at {self.speedup:g}x")

    def _row(self, series: str, found: Found, trained: nn.Module) -> Row:
        accuracy, paired = self.lab.judged(self.lab.answers(trained))
        built = self.lab.bench.lab.build(trained, Precision.FP32, *THOROUGH)
        return {
            "series": series,
            "setting": found.setting,
            "at": self.speedup,
            "epochs": self.lab.epochs,
            "speedup": 1 / found.latency,
            "speedup_in_service": self.dense_s / built.measured.latency_p50_s,
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
