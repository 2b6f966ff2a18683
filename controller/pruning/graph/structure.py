"""Which units of a model are kept: the groups of units that must go together, and a structure that chooses among them.

A unit is what exists once and is removed as a whole: a channel with every row that makes, carries or reads it, an
attention head, the same slot of every group of a grouped convolution, a normalisation group. Everything is numbered
as in the *dense* model, so that structures of one model can be compared whatever they were cut from.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

Kept = Mapping[str, tuple[int, ...]]
"""A group's root to the sorted numbers of its kept units, in the dense model's numbering."""


class Unit(StrEnum):
    """What a group is counted in."""

    CHANNEL = "channel"
    SLOT = "slot"
    NORM_GROUP = "normalisation group"
    HEAD = "head"


@dataclass(frozen=True, slots=True)
class Touch:
    """How one layer takes part in a group: its output (or input) rows `rows[i]` go with unit i.

    Rows count along the weight's axis, which for the input of a grouped convolution is the position in its group.
    `layer` is a module's name, or the name of a parameter that no layer owns.
    """

    layer: str
    output: bool
    rows: tuple[tuple[int, ...], ...]


@dataclass(frozen=True, slots=True)
class ChannelGroup:
    """`channels` units that are spread over several layers; `root` is the first layer that makes them."""

    root: str
    channels: int
    touches: tuple[Touch, ...]
    unit: Unit = Unit.CHANNEL


@dataclass(frozen=True, slots=True)
class Structure:
    """What is left of a model: for every group the kept units, and the residual blocks replaced by the identity.

    `dropped` is sorted. A group inside a dropped block keeps its entry in `kept`, which then means nothing.
    """

    kept: Kept
    dropped: tuple[str, ...] = ()

    @property
    def widths(self) -> dict[str, int]:
        return {root: len(units) for root, units in self.kept.items()}


def full(groups: Sequence[ChannelGroup]) -> Structure:
    """The dense model's structure."""
    return Structure({group.root: tuple(range(group.channels)) for group in groups})


def within(layer: str, blocks: Collection[str]) -> bool:
    """True where `layer` is one of `blocks` or a part of one."""
    return any(layer == block or layer.startswith(f"{block}.") for block in blocks)


def inside(groups: tuple[ChannelGroup, ...], blocks: Collection[str]) -> dict[str, tuple[str, ...]]:
    """Block to the roots of the groups that lie wholly in it, and vanish with it."""
    return {
        block: tuple(g.root for g in groups if all(within(touch.layer, (block,)) for touch in g.touches))
        for block in blocks
    }


def removed_rows(groups: tuple[ChannelGroup, ...], structure: Structure) -> dict[tuple[str, bool], set[int]]:
    """(layer, output) to the dense model's rows that `structure` lacks. Dropped blocks are left out."""
    removed: dict[tuple[str, bool], set[int]] = {}
    for group in groups:
        gone = set(range(group.channels)) - set(structure.kept[group.root])
        for touch in group.touches:
            if not within(touch.layer, structure.dropped):
                rows = removed.setdefault((touch.layer, touch.output), set())
                rows.update(row for unit in gone for row in touch.rows[unit])
    return removed


def renumbered(groups: tuple[ChannelGroup, ...], now: Structure) -> tuple[ChannelGroup, ...]:
    """The groups as a model of structure `now` numbers its units and rows. What has none left is touched no more."""
    removed = removed_rows(groups, now)

    def touch_now(touch: Touch, units: tuple[int, ...]) -> Touch:
        gone = sorted(removed[touch.layer, touch.output])
        return replace(
            touch, rows=tuple(tuple(row - bisect_left(gone, row) for row in touch.rows[unit]) for unit in units)
        )

    def group_now(group: ChannelGroup) -> ChannelGroup:
        units = now.kept[group.root]
        touches = [touch_now(each, units) for each in group.touches if not within(each.layer, now.dropped)]
        return replace(group, channels=len(units), touches=tuple(each for each in touches if any(each.rows)))

    return tuple(map(group_now, groups))
