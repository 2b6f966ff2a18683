"""Which units of a group are kept at a width: those that the model would miss most."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

Importance = Mapping[str, Sequence[float]]
"""A group's root to a figure for each of its present units, in their order: what has a higher one is kept longer. Only
their order counts."""


def most_important(units: Sequence[int], importance: Sequence[float], width: int) -> tuple[int, ...]:
    """The `width` most important of `units`, in their order; of equals the earlier ones."""
    order = sorted(range(len(units)), key=lambda position: -importance[position])
    return tuple(units[position] for position in sorted(order[:width]))
