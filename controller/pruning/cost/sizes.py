"""Sizes as functions of the group widths: every dimension is a line in them, every size a product of dimensions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from math import gcd

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Size:
    """`factor` times the product of the dimensions numbered `lines`."""

    factor: int
    lines: tuple[int, ...]

    def at(self, dims: Floats) -> Floats:
        """The size for each column of `dims` `[lines, n]`: `[n]`."""
        return np.asarray(self.factor * np.prod(dims[list(self.lines)], axis=0))


@dataclass
class Lines:
    """The distinct dimensions that depend on a width, each divided by its greatest common divisor. Grows as used.

    `widths` are the dense ones; a dimension is read off the dense trace and off one trace per group, which there has
    `more[group]` units more: 1 or -1.
    """

    widths: tuple[int, ...]
    more: tuple[int, ...]
    _numbers: dict[tuple[int, ...], int] = field(default_factory=dict)

    def size(self, dense: Sequence[int], others: Sequence[Sequence[int]]) -> Size:
        """The product of the dimensions `dense`; `others[g]` are the same at the other width of group g."""
        factor, lines = 1, list[int]()
        for axis, value in enumerate(dense):
            slopes = [more * (other[axis] - value) for other, more in zip(others, self.more, strict=True)]
            if not any(slopes):
                factor *= value
                continue
            start = value - sum(slope * width for slope, width in zip(slopes, self.widths, strict=True))
            divisor = gcd(start, *slopes)
            factor *= divisor
            line = tuple(each // divisor for each in (start, *slopes))
            lines.append(self._numbers.setdefault(line, len(self._numbers)))
        return Size(factor, tuple(sorted(lines)))

    def table(self) -> Floats:
        """`[lines, 1 + groups]`: the constant and the slope in each width."""
        rows = np.array(list(self._numbers), dtype=np.float64)
        return rows.reshape(len(self._numbers), 1 + len(self.widths))


def dims_at(table: Floats, widths: Floats) -> Floats:
    """The dimensions `[lines, n]` for columns of `widths` `[groups, n]`."""
    return np.asarray(table[:, :1] + table[:, 1:] @ widths)
