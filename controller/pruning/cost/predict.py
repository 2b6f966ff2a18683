"""From a price to costs: predictions that every measurement corrects, so that few exports suffice.

Each cost is a line in one term of the price that bends at the measured points (NetAdapt, Yang et al., ECCV 2018,
measures every candidate; here the lines carry the search from one measured point to the next). The dense and the
narrowest structure are measured first, so that whatever is asked for lies between two measurements.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from controller.core.costs import Costs
from controller.core.nouns.caps import Caps
from controller.core.nouns.variant import Precision
from controller.pruning.cost.budgets import Budgets
from controller.pruning.cost.line import Line, through
from controller.pruning.cost.price import Price

# RAM by precision: bytes per byte of weights, per byte of live activations, and of any model. An upper envelope of 56
# artifacts of four networks; the share of it that grows is the least seen between their dense and narrowest ones.
_RAM = {Precision.FP32: (3.4, 2.5, 1.4e6), Precision.INT8: (2.1, 3.5, 1.75e6)}
_RAM_GROWING = {Precision.FP32: 0.55, Precision.INT8: 0.35}
_RAM_BULGE = 0.2  # above the line between measured points: the runtime's arena grows in steps
_SIZE_START = {Precision.FP32: 4e3, Precision.INT8: 18e3}  # of an artifact beside its weights
_P95_OVER_P50 = 1.15
_NOTHING = 1e-12  # a budget that no structure keeps
_TIME_GROWING = 0.7  # the share of a latency that grows with the work, for what lies beyond the measured points


@dataclass(frozen=True, slots=True, eq=False)
class Known:
    """A structure's price with what its artifact was measured to cost, or `only_bytes` of that."""

    price: Price
    costs: Costs
    only_bytes: bool = False


class Predictor:
    """Prices to costs and caps to budgets, for one model in one precision; every measured artifact corrects it.

    What fits the budgets has predicted costs within the caps, as every cost is a rising line in one term.
    """

    def __init__(self, points: Sequence[Known], precision: Precision = Precision.FP32) -> None:
        self._per_weight, self._per_live, start = _RAM[precision]
        run = [each for each in points if not each.only_bytes]
        ram = [(self._ram_term(each.price), each.costs.ram_bytes) for each in run]
        size = [(each.price.weights_bytes, each.costs.storage_bytes) for each in points]
        time = [(each.price.latency_s, each.costs.latency_s) for each in run]
        self._ram = through(ram, _RAM_GROWING[precision], Line(((0.0, start),), 1.0), _RAM_BULGE)
        weights, stored = max(size, default=(1.0, 1.0))  # beyond: a byte of the artifact for a byte of weights
        self._size = through(size, weights / stored, Line(((0.0, _SIZE_START[precision]),), 1.0))
        self._time = through(time, _TIME_GROWING, Line(((0.0, 0.0),), _P95_OVER_P50))

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
            ram_per_weight_byte=self._per_weight,
            ram_per_live_byte=self._per_live,
        )

    def _ram_term(self, price: Price) -> float:
        return self._per_weight * price.weights_bytes + self._per_live * price.peak_bytes


def _largest(line: Line, cap: float | None) -> float | None:
    if cap is None:
        return None
    term = line.inverse(cap)
    return max(term - abs(term) * 1e-9, _NOTHING)  # sums in another order differ by less
