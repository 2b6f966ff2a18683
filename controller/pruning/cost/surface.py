"""The time of one kernel as a function of the sizes that widths change: a grid of measurements with stairs between.

A runtime works in blocks of channels: between multiples of a block the time follows a stair, whose shape is measured
once per axis. Widths that the fast kernels refuse fall to slower ones, which have a grid of their own.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any

import numpy as np

from controller.core.nouns.variant import Precision
from controller.pruning.cost.kernels import Kernel
from controller.pruning.cost.sizes import Floats
from controller.pruning.cost.tables import Tables

BLOCK = 16  # channels; no kernel of the runtime works in larger ones
_LANE = 4  # steps on the stair: what is between them may be off the fast path
_LEAST = 0.05  # of the smallest measured time: a kernel of no width still has to be called
_SLOWER = 1.15  # off the fast path, beyond what noise makes of the same kernel


@dataclass(frozen=True, slots=True)
class Family:
    """Kernels of one kind with `sizes[axis] = factors[axis] * values[drivers[axis]]`; no driver (-1) is a constant.

    `tops` are the drivers' dense values, `blocks` how many of a driver's units make a block (1: no stairs).
    """

    kind: str
    fixed: tuple[Any, ...]
    fused: tuple[str, ...]
    precision: Precision
    factors: tuple[int, ...]
    drivers: tuple[int, ...]
    tops: tuple[int, ...]
    blocks: tuple[int, ...]

    def kernel(self, values: Sequence[int]) -> Kernel:
        """The kernel where the drivers have these values."""
        sizes = tuple(f if d < 0 else f * values[d] for f, d in zip(self.factors, self.drivers, strict=True))
        return Kernel(self.kind, self.fixed, self.fused, self.precision, sizes)


@dataclass(frozen=True, slots=True)
class Stair:
    """How far (0 to 1) through a block the time is after each quarter of it.

    `slow`: off the quarters it is another kernel; `slow_first`: within the first block too.
    """

    block: int
    rise: tuple[float, ...] = (0.0, 0.25, 0.5, 0.75, 1.0)
    slow: bool = False
    slow_first: bool = False

    def place(self, values: Floats) -> Floats:
        """Where on a grid of whole blocks the time of each of `values` is found."""
        if self.block == 1:
            return values
        whole, left = np.divmod(values, self.block)
        quarters = np.ceil(left * _LANE / self.block).astype(int)
        return np.asarray(self.block * (whole + np.array(self.rise)[quarters]))

    def off(self, values: Floats) -> Any:
        """True for each of `values` that the fast kernels refuse."""
        off = values % max(1, self.block // _LANE) != 0
        return off & np.where(values < self.block, self.slow_first, self.slow)


@dataclass(frozen=True, slots=True, eq=False)
class Grid:
    """Multilinear between measured points `axes`, beyond them on the line through the last two."""

    axes: tuple[Floats, ...]
    times: Floats

    def at(self, values: Sequence[Floats]) -> Floats:
        """Seconds for `values[axis]` `[n]`: `[n]`."""
        times = self.times[..., np.newaxis]
        for axis, each in zip(reversed(self.axes), reversed(values), strict=True):
            times = _along(axis, times, each)
        return np.asarray(np.maximum(times, _LEAST * self.times.min()))


def _along(axis: Floats, times: Floats, values: Floats) -> Floats:
    """Interpolate the last measured axis of `times` `[..., axis, n or 1]` at `values` `[n]`: `[..., n]`."""
    if len(axis) == 1:
        return np.asarray(np.broadcast_to(times[..., 0, :], (*times.shape[:-2], len(values))))
    low = np.clip(np.searchsorted(axis, values, side="right") - 1, 0, len(axis) - 2)
    share = (values - axis[low]) / (axis[low + 1] - axis[low])
    column = np.arange(len(values)) if times.shape[-1] > 1 else np.zeros(len(values), dtype=int)
    return np.asarray(times[..., low, column] * (1 - share) + times[..., low + 1, column] * share)


@dataclass(frozen=True, slots=True, eq=False)
class Surface:
    fast: Grid
    stairs: tuple[Stair, ...]
    slow: Grid | None

    def seconds(self, values: Sequence[Floats]) -> Floats:
        """The time for `values[driver]` `[n]`: `[n]`, or `[1]` where nothing drives it."""
        places = [stair.place(each) for stair, each in zip(self.stairs, values, strict=True)]
        seconds = self.fast.at(places)
        if self.slow is None:
            return seconds
        off = np.any([stair.off(each) for stair, each in zip(self.stairs, values, strict=True)], axis=0)
        return np.where(off, self.slow.at(values), seconds) if off.any() else seconds


def needed(family: Family) -> Iterator[Kernel]:
    """The kernels that `surface` asks for first, so that those of a whole network are measured together."""
    axes = _fast_axes(family)
    yield from map(family.kernel, product(*axes))
    for driver in range(len(axes)):
        yield from map(family.kernel, _probes(family, axes, driver))


def needed_slow(family: Family, tables: Tables) -> Iterator[Kernel]:
    """The kernels off the fast path that it asks for then."""
    axes = _slow_axes(family, tables)
    yield from map(family.kernel, product(*axes)) if axes else ()


def surface(family: Family, tables: Tables) -> Surface:
    axes, slow = _fast_axes(family), _slow_axes(family, tables)
    return Surface(
        _measure(family, axes, tables), _stairs(family, tables), _measure(family, slow, tables) if slow else None
    )


def _measure(family: Family, axes: Sequence[Sequence[int]], tables: Tables) -> Grid:
    times = tables.seconds([family.kernel(point) for point in product(*axes)])
    shape = [len(axis) for axis in axes]
    return Grid(tuple(np.array(axis, dtype=np.float64) for axis in axes), np.array(times).reshape(shape))


def _fast_axes(family: Family) -> list[tuple[int, ...]]:
    """Multiples of the block up to the dense value, closer at the narrow end, and half a block."""
    axes = []
    for top, block in zip(family.tops, family.blocks, strict=True):
        blocks = -(-top // block)
        points = {max(1, round(blocks * share)) * block for share in (1 / 8, 1 / 4, 1 / 2, 1)}
        axes.append(tuple(sorted(points | {max(1, block // 2)})))
    return axes


def _slow_axes(family: Family, tables: Tables) -> list[tuple[int, ...]]:
    """As the fast axes, but nowhere on a quarter of a block; none where every width is on the fast path."""
    stairs = _stairs(family, tables)
    if not any(stair.slow or stair.slow_first for stair in stairs):
        return []
    slow = []
    for top, axis, stair in zip(family.tops, _fast_axes(family), stairs, strict=True):
        odd = sorted({max(1, int(top * share) - (1 - int(top * share) % 2)) for share in (1 / 8, 1 / 3, 1)})
        slow.append(tuple(odd) if stair.slow or stair.slow_first else axis)
    return slow


def _stairs(family: Family, tables: Tables) -> tuple[Stair, ...]:
    axes = _fast_axes(family)
    return tuple(_stair(family, axes, driver, tables) for driver in range(len(axes)))


def _probes(family: Family, axes: Sequence[Sequence[int]], driver: int) -> list[tuple[int, ...]]:
    """Through one block in the middle: its ends and quarters, and off them two places; one more in the first block.

    Other drivers are in the middle of their axes. The last point is the end of the first block.
    """
    block = family.blocks[driver]
    if block == 1:
        return []
    start = max(block, family.tops[driver] // 2 // block * block)
    places = [start + block * quarter // _LANE for quarter in range(_LANE + 1)]
    if block > _LANE:
        places += [start + 1, start + block - 1, block - 1, block]
    middle = [axis[len(axis) // 2] for axis in axes]
    return [tuple(place if at == driver else middle[at] for at in range(len(axes))) for place in places]


def _stair(family: Family, axes: Sequence[Sequence[int]], driver: int, tables: Tables) -> Stair:
    points = _probes(family, axes, driver)
    if not points:
        return Stair(1)
    times = tables.seconds([family.kernel(point) for point in points])
    quarters, others = times[: _LANE + 1], times[_LANE + 1 :]
    if not others:
        return Stair(family.blocks[driver], rise(quarters))
    low, high, first, block = others
    slow = low * high > _SLOWER**2 * quarters[1] * quarters[-1]
    return Stair(family.blocks[driver], rise(quarters), slow, first > _SLOWER * block)


def rise(quarters: Sequence[float]) -> tuple[float, ...]:
    """The share of a block's climb after each quarter, from the times at its start, its quarters and its end."""
    climb = quarters[-1] - quarters[0]
    if climb < 0.02 * quarters[-1]:
        return Stair(1).rise
    shares = np.clip((np.array(quarters) - quarters[0]) / climb, 0, 1)
    return tuple(float(each) for each in np.maximum.accumulate(shares))
