"""A group at other widths: at which ones it is tried, and what is then left of it."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from controller.pruning.graph.structure import Structure
from controller.pruning.solve.importance import most_important

Losing = Callable[[Structure], float]
"""The loss of a structure cut from the present one, by the measure of whoever asks: at once, or once recovered."""

_SHARES = (0.75, 0.5, 0.25)


def narrowed(now: Structure, root: str, ranking: Sequence[float], width: int) -> Structure:
    """`now` with only the most important units of this group."""
    return Structure({**now.kept, root: most_important(now.kept[root], ranking, width)}, now.dropped)


def tried_widths(width: int, floor: int) -> tuple[int, ...]:
    """Falling widths to measure, without the present one and down to the floor."""
    wanted = {max(floor, round(width * share)) for share in _SHARES} | {floor}
    return tuple(sorted((each for each in wanted if each < width), reverse=True))
