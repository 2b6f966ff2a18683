"""What any structure of a model costs, before it exists: latency from kernel times, weights, live activations.

Everything is a function of the group widths, read off a few runs of the model; kernels are measured on a grid of their
sizes. After that a structure is priced without touching the model.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from math import gcd

import numpy as np

from controller.core.nouns.variant import Precision
from controller.pruning.cost.fuse import fuse
from controller.pruning.cost.memory import ALIGN_BYTES, liveness
from controller.pruning.cost.price import Change, Marginals, Price
from controller.pruning.cost.runs import Runs
from controller.pruning.cost.sizes import Floats, Lines, Size, dims_at
from controller.pruning.cost.surface import BLOCK, Family, Surface, needed, needed_slow, surface
from controller.pruning.cost.tables import Tables
from controller.pruning.cost.trace import Step, Trace, drop
from controller.pruning.graph.structure import full

__all__ = ["Change", "CostModel", "Marginals", "Price", "describe_costs"]

_CHANNEL_AXES = {"conv": (0, 1), "gemm": (1, 2), "pool": (0,), "resize": (0,), "matmul": (2, 3)}
_FLOAT_BYTES = 4
START = "start"


@dataclass(frozen=True, slots=True, eq=False)
class _Timed:
    """A kernel of this kind; `drivers` are the sizes that the surface is a function of."""

    kind: str
    surface: Surface
    drivers: tuple[Size, ...]

    def seconds(self, dims: Floats) -> float:
        """For `dims` `[lines, 1]`."""
        return float(self.surface.seconds([size.at(dims) for size in self.drivers])[0])


@dataclass(frozen=True, slots=True, eq=False)
class _Plan:
    """What runs when certain blocks are dropped.

    `dims` are the lines of the sizes, `weights` and `buffers` (bytes an element, elements), `live` `[rows, buffers]`.
    """

    dims: Floats
    timed: tuple[_Timed, ...]
    weights: tuple[tuple[int, Size], ...]
    buffers: tuple[tuple[int, Size], ...]
    live: Floats

    def moved_by(self, group: int) -> tuple[_Plan, Floats]:
        """The part of the plan that depends on the width of `group`, and the buffers' columns of `live` it has."""
        moved = self.dims[:, 1 + group] != 0

        def moves(*sizes: Size) -> bool:
            return any(moved[line] for size in sizes for line in size.lines)

        timed = tuple(each for each in self.timed if moves(*each.drivers))
        weights = tuple(each for each in self.weights if moves(each[1]))
        columns = [column for column, each in enumerate(self.buffers) if moves(each[1])]
        part = replace(self, timed=timed, weights=weights, buffers=tuple(self.buffers[each] for each in columns))
        return part, self.live[:, columns]

    def seconds(self, dims: Floats) -> Floats:
        """`[n]` for `dims` `[lines, n]`."""
        total = np.zeros(dims.shape[1])
        for each in self.timed:
            total += each.surface.seconds([size.at(dims) for size in each.drivers])
        return total

    def weights_bytes(self, dims: Floats) -> Floats:
        return sum((bytes_ * size.at(dims) for bytes_, size in self.weights), np.zeros(dims.shape[1]))

    def buffer_bytes(self, dims: Floats) -> Floats:
        """`[n, buffers]`"""
        raw = np.array([bytes_ * size.at(dims) for bytes_, size in self.buffers]).reshape(-1, dims.shape[1])
        return np.asarray((np.ceil(raw / ALIGN_BYTES) * ALIGN_BYTES).T)


@dataclass(eq=False)
class CostModel:
    """Prices of the structures of one model in one precision. Widths are in units of the groups `roots`."""

    roots: tuple[str, ...]
    blocks: tuple[str, ...]
    precision: Precision
    start_s: float  # of a run, whatever runs
    _lines: Lines
    _traces: tuple[Trace, ...]  # the dense one, then one per root at the width next to its own
    _tables: Tables
    _plans: dict[frozenset[str], _Plan] = field(default_factory=dict)
    _surfaces: dict[Family, Surface] = field(default_factory=dict)

    def price(self, widths: Mapping[str, int], dropped: Collection[str] = ()) -> Price:
        plan = self._plan(dropped)
        dims = dims_at(plan.dims, self._columns(widths))
        live = plan.live @ plan.buffer_bytes(dims)[0]
        return Price(self.start_s + float(plan.seconds(dims)[0]), float(plan.weights_bytes(dims)[0]), live)

    def spent(self, widths: Mapping[str, int], dropped: Collection[str] = ()) -> dict[str, float]:
        """The seconds of `price` by what they are spent on: kinds of kernels, and `start`, which every run takes."""
        plan, spent = self._plan(dropped), {START: self.start_s}
        dims = dims_at(plan.dims, self._columns(widths))
        for each in plan.timed:
            spent[each.kind] = spent.get(each.kind, 0.0) + each.seconds(dims)
        return spent

    def marginals(
        self, widths: Mapping[str, int], dropped: Collection[str], options: Mapping[str, Sequence[int]]
    ) -> Marginals:
        """The change of `price(widths, dropped)` for each width in `options[root]`, one group at a time."""
        plan, now = self._plan(dropped), self._columns(widths)
        return {root: self._change(plan, now, root, widths_of) for root, widths_of in options.items()}

    def _change(self, plan: _Plan, now: Floats, root: str, options: Sequence[int]) -> Change:
        group = self.roots.index(root)
        part, live = plan.moved_by(group)
        widths = np.repeat(now, len(options) + 1, axis=1)  # the first column is what it is now
        widths[group, 1:] = options
        dims = dims_at(plan.dims, widths)
        seconds, weights, buffers = part.seconds(dims), part.weights_bytes(dims), part.buffer_bytes(dims)
        return Change(seconds[1:] - seconds[0], weights[1:] - weights[0], (buffers[1:] - buffers[0]) @ live.T)

    def _columns(self, widths: Mapping[str, int]) -> Floats:
        return np.array([[widths[root]] for root in self.roots], dtype=np.float64).reshape(-1, 1)

    def _plan(self, dropped: Collection[str]) -> _Plan:
        key = frozenset(dropped)
        if key not in self._plans:
            self._plans[key] = self._make_plan(key)
        return self._plans[key]

    def _make_plan(self, dropped: frozenset[str]) -> _Plan:
        traces = [fuse(drop(each, dropped), self.precision) for each in self._traces]
        dense, others = traces[0], traces[1:]
        at_once = list(zip(*(each.steps for each in traces), strict=True))
        families = [self._family(steps[0], steps[1:]) for steps in at_once if steps[0].work is not None]
        self._tables.seconds([kernel for family, _ in families for kernel in needed(family)])
        self._tables.seconds([kernel for family, _ in families for kernel in needed_slow(family, self._tables)])
        timed = tuple(_Timed(family.kind, self._surface(family), drivers) for family, drivers in families)
        weights = [each for steps in at_once for each in self._weights(steps[0], steps[1:])]
        held = liveness(dense, self._traces[0].rows)
        buffers = [self._lines.size(dense.shapes[at], [each.shapes[at] for each in others]) for at in held.tensors]
        widths_bytes = [self._element_bytes(tensor, dense) for tensor in held.tensors]
        pairs = tuple(zip(widths_bytes, buffers, strict=True))
        return _Plan(self._lines.table(), timed, tuple(weights), pairs, held.live)

    def _family(self, step: Step, others: Sequence[Step]) -> tuple[Family, tuple[Size, ...]]:
        assert step.work is not None
        works = [each.work for each in others if each.work is not None]
        axes = [
            self._lines.size(axis, [work.axes[number] for work in works]) for number, axis in enumerate(step.work.axes)
        ]
        lines = list(dict.fromkeys(size.lines for size in axes if size.lines))
        dense = dims_at(self._lines.table(), np.array(self._lines.widths, dtype=np.float64)[:, np.newaxis])
        drivers = tuple(Size(1, each) for each in lines)
        number = {each: at for at, each in enumerate(lines)}
        channels = [axes[axis] for axis in _CHANNEL_AXES.get(step.work.kind, ())]
        family = Family(
            step.work.kind,
            step.work.fixed,
            tuple(each for each in step.work.fused if each != "norm"),
            self.precision,
            tuple(size.factor for size in axes),
            tuple(number.get(size.lines, -1) for size in axes),
            tuple(int(driver.at(dense)[0]) for driver in drivers),
            tuple(_block([size.factor for size in channels if size.lines == each]) for each in lines),
        )
        return family, drivers

    def _surface(self, family: Family) -> Surface:
        if family not in self._surfaces:
            self._surfaces[family] = surface(family, self._tables)
        return self._surfaces[family]

    def _weights(self, step: Step, others: Sequence[Step]) -> list[tuple[int, Size]]:
        """Bytes an element and elements. INT8 has a float scale beside for each output channel, and each bias value."""
        made = _made_axis(step) if self.precision is Precision.INT8 else None
        weights = list[tuple[int, Size]]()
        for number, shape in enumerate(step.weights):
            size = self._lines.size(shape, [each.weights[number] for each in others])
            if made is None:
                weights.append((_FLOAT_BYTES, size))
            elif len(shape) == 1:
                weights.append((2 * _FLOAT_BYTES, size))
            else:
                scales = self._lines.size((shape[made],), [(each.weights[number][made],) for each in others])
                weights += [(1, size), (_FLOAT_BYTES, scales)]
        return weights

    def _element_bytes(self, tensor: int, dense: Trace) -> int:
        return 1 if self.precision is Precision.INT8 and tensor not in (dense.input, dense.output) else _FLOAT_BYTES


def _made_axis(step: Step) -> int | None:
    """Which axis of its weights are the output channels, where INT8 quantises them."""
    if step.work is None:
        return None
    transposed = step.work.kind == "conv" and step.work.fixed[-1]
    return None if transposed else {"conv": 0, "gemm": 1}.get(step.work.kind)


def _block(factors: Sequence[int]) -> int:
    """How many units of a driver make a block of channels; 1 where no axis of channels follows it."""
    return BLOCK // gcd(BLOCK, *factors) if factors else 1


def describe_costs(runs: Runs, precision: Precision, tables: Tables) -> CostModel:
    """The costs of the structures of the model that `runs` are of. Measures what `tables` do not know yet.

    Raises `TableError` where a kernel does not run.
    """
    lines = Lines(tuple(group.channels for group in runs.groups), runs.more)
    roots, traces = tuple(group.root for group in runs.groups), (runs.dense, *runs.others)
    costs = CostModel(roots, runs.blocks, precision, tables.start_seconds(), lines, traces, tables)
    costs.price(full(runs.groups).widths)
    return costs
