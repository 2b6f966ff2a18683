"""From arithmetic to cost: predictions that every measurement corrects, so that few exports suffice.

Each cost is a line in one figure of the work that bends at the measured points (NetAdapt, Yang et al., ECCV 2018,
measures every candidate; here the lines carry the search from one measured point to the next). The dense and the
narrowest structure are measured first, so that whatever is asked for lies between two measurements.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise

from controller.core.types import Caps, Constraint
from controller.pruning.cost.line import Line, through
from controller.pruning.cost.price import Price
from controller.pruning.cost.work import Work

# Peak RAM of onnxruntime on x86 per byte of weights and of live activations: fitted on seven networks, -1 to +11 %.
_RAM_PER_WEIGHT, _RAM_PER_ACTIVATION = 3.44, 2.5
# A byte moved costs about as much as this many multiply-accumulates, in small networks that stay in the cache.
_MACS_PER_BYTE = 4.0
# RAM by precision: bytes per byte of weights, per byte of live activations, and of any model.
_RAM = {"fp32": (5.0, 2.5, 600e3), "int8": (5.0, 2.5, 600e3)}
_RAM_MARGIN = 1.05  # over a line through measured points: the runtime's arena grows in steps
_SIZE_START = 3e3  # of an artifact beside its weights
_P95_OVER_P50 = 1.15
# How much of a cost grows with the work, the rest is fixed: for what lies beyond the measured points.
_GROWING_SHARE = {Constraint.RAM_MODEL: 0.9, Constraint.STORAGE: 0.97, Constraint.DEADLINE: 0.7}


@dataclass(frozen=True, slots=True, kw_only=True)
class Costs:
    """Measured or predicted: model RAM above the runtime's base, the artifact's size, p95 CPU time of one inference."""

    ram_bytes: float
    storage_bytes: float
    latency_s: float

    def shares(self, caps: Caps) -> dict[Constraint, float]:
        """Cost over cap for each cap that is set."""
        pairs = {
            Constraint.RAM_MODEL: (self.ram_bytes, caps.ram_bytes),
            Constraint.STORAGE: (self.storage_bytes, caps.storage_bytes),
            Constraint.DEADLINE: (self.latency_s, caps.latency_s),
        }
        return {which: cost / cap for which, (cost, cap) in pairs.items() if cap is not None}


@dataclass(frozen=True, slots=True)
class Point:
    """A structure's work with what its artifact was measured to cost."""

    work: Work
    costs: Costs


def binding(costs: Costs, caps: Caps) -> tuple[Constraint, float]:
    """The cap that is used most, and its share; `(NONE, 0)` without caps."""
    shares = costs.shares(caps)
    if not shares:
        return Constraint.NONE, 0.0
    which = max(shares, key=lambda each: shares[each])
    return which, shares[which]


@dataclass(frozen=True, slots=True, eq=False)
class Known:
    """A structure's price with what its artifact was measured to cost."""

    price: Price
    costs: Costs


@dataclass(frozen=True, slots=True, kw_only=True)
class Budgets:
    """Caps in the terms of a price: infinite where there is no cap, below zero where nothing fits.

    RAM: `ram_per_weight * weights_bytes + ram_per_live * live_bytes[row] <= ram_bytes` for every row.
    """

    latency_s: float
    weights_bytes: float
    ram_bytes: float
    ram_per_weight: float
    ram_per_live: float

    def hold(self, price: Price) -> bool:
        ram = self.ram_per_weight * price.weights_bytes + self.ram_per_live * price.peak_bytes
        return price.latency_s <= self.latency_s and price.weights_bytes <= self.weights_bytes and ram <= self.ram_bytes


class Predictor:
    """Prices to costs and caps to budgets, for one model in one precision; every measured artifact corrects it.

    What fits the budgets has predicted costs within the caps, as every cost is a rising line in one term.
    """

    def __init__(self, points: Sequence[Known], precision: str = "fp32") -> None:
        self._per_weight, self._per_live, start = _RAM[precision]
        ram = [(self._ram_term(each.price), each.costs.ram_bytes * _RAM_MARGIN) for each in points]
        size = [(each.price.weights_bytes, each.costs.storage_bytes) for each in points]
        time = [(each.price.latency_s, each.costs.latency_s) for each in points]
        self._ram = through(ram, _GROWING_SHARE[Constraint.RAM_MODEL], Line(((0.0, start),), 1.0))
        self._size = through(size, _GROWING_SHARE[Constraint.STORAGE], Line(((0.0, _SIZE_START),), 1.0))
        self._time = through(time, _GROWING_SHARE[Constraint.DEADLINE], Line(((0.0, 0.0),), _P95_OVER_P50))

    def costs(self, price: Price) -> Costs:
        return Costs(
            ram_bytes=max(0.0, self._ram.at(self._ram_term(price))),
            storage_bytes=max(0.0, self._size.at(price.weights_bytes)),
            latency_s=max(0.0, self._time.at(price.latency_s)),
        )

    def budgets(self, caps: Caps) -> Budgets:
        """The largest terms that keep within `caps`."""
        return Budgets(
            latency_s=_largest(self._time, caps.latency_s),
            weights_bytes=_largest(self._size, caps.storage_bytes),
            ram_bytes=_largest(self._ram, caps.ram_bytes),
            ram_per_weight=self._per_weight,
            ram_per_live=self._per_live,
        )

    def _ram_term(self, price: Price) -> float:
        return self._per_weight * price.weights_bytes + self._per_live * price.peak_bytes


def _largest(line: Line, cap: float | None) -> float:
    if cap is None:
        return float("inf")
    term = line.inverse(cap)
    return term - abs(term) * 1e-9  # sums in another order differ by less


def predict(points: Sequence[Point], work: Work) -> Costs:
    """The costs of `work`, given at least one measured point."""
    return Costs(
        ram_bytes=_line(points, work, Constraint.RAM_MODEL, _ram_figure, lambda costs: costs.ram_bytes),
        storage_bytes=_line(points, work, Constraint.STORAGE, _size_figure, lambda costs: costs.storage_bytes),
        latency_s=_line(points, work, Constraint.DEADLINE, _time_figure, lambda costs: costs.latency_s),
    )


def _ram_figure(work: Work) -> float:
    return _RAM_PER_WEIGHT * work.weights_bytes + _RAM_PER_ACTIVATION * work.activation_bytes


def _size_figure(work: Work) -> float:
    return work.weights_bytes


def _time_figure(work: Work) -> float:
    return work.macs + _MACS_PER_BYTE * work.traffic_bytes


def _line(
    points: Sequence[Point],
    work: Work,
    which: Constraint,
    figure: Callable[[Work], float],
    cost: Callable[[Costs], float],
) -> float:
    """Between measured points on the line that joins them; beyond the ends with the slope that the largest suggests."""
    at = figure(work)
    known = _rising([(figure(point.work), cost(point.costs)) for point in points])
    slope = _GROWING_SHARE[which] * known[-1][1] / known[-1][0]
    if at <= known[0][0]:
        return max(0.0, known[0][1] + slope * (at - known[0][0]))
    for (low_x, low_y), (high_x, high_y) in pairwise(known):
        if at <= high_x:
            return low_y + (high_y - low_y) * (at - low_x) / (high_x - low_x)
    return known[-1][1] + slope * (at - known[-1][0])


def _rising(measured: Sequence[tuple[float, float]]) -> list[tuple[float, float]]:
    """(figure, cost) by rising figure. Noise only adds, so no point costs more than a larger one was measured to."""
    rising: list[tuple[float, float]] = []
    least = float("inf")
    for x, y in sorted(measured, reverse=True):
        least = min(least, y)
        if rising and rising[-1][0] == x:
            rising[-1] = (x, least)
        else:
            rising.append((x, least))
    return rising[::-1]
