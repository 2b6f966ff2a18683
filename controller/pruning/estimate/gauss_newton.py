"""From contributions to a ranking of each group's units, and to what narrowing and dropping lose."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from torch import nn

from controller.pruning.estimate.contributions import Contributions, contributions
from controller.pruning.estimate.estimator import RECOVERED, Estimate
from controller.pruning.graph.structure import ChannelGroup
from controller.pruning.model.data import Floats
from controller.pruning.model.outputs import taught_outputs
from controller.pruning.solve.curves import WorthCurves
from controller.pruning.solve.elimination import Elimination, eliminate


def gauss_newton(
    model: nn.Module,
    groups: Sequence[ChannelGroup],
    blocks: Sequence[str],
    inputs: Floats,
    seed: int,
    progress: Callable[[float], None] = lambda _: None,
) -> Estimate:
    """By contributions to the answers, with all interactions inside a group: see `contributions`."""
    found = contributions(model, groups, blocks, taught_outputs(model, inputs), inputs, seed, progress)
    gone = {root: eliminate(rows) for root, rows in found.groups.items()}
    return Estimate({root: each.ranking for root, each in gone.items()}, _curves(gone, found))


def _curves(gone: dict[str, Elimination], found: Contributions) -> WorthCurves:
    return WorthCurves(
        {root: each.curve(RECOVERED) for root, each in gone.items()},
        {block: float((rows**2).mean()) / 2 * RECOVERED for block, rows in found.blocks.items()},
    )
